//! Peers in other languages, which are left out where there is nothing to run them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::payload::Payload;
use crate::scenario::{Coding, Form, Way};

/// Where what they need is installed.
#[derive(Default)]
pub struct Others {
    node: Option<PathBuf>,
    python: Option<PathBuf>,
}

const NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/others/package.json");
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/others/requirements.txt");

impl Others {
    /// Installs from npm and PyPI, and says what is missing.
    pub fn install(out: &Path) -> Self {
        let folder = out.join("npm");
        let node = installed(&folder, NODE, |folder| {
            std::fs::copy(NODE, folder.join("package.json"))?;
            let npm = ["install", "--no-package-lock", "--no-audit", "--no-fund"];
            done(Command::new("npm").args(npm).current_dir(folder))
        });
        let folder = out.join("python");
        let python = installed(&folder, PYTHON, |folder| {
            done(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
            let pip = ["install", "--disable-pip-version-check", "-r", PYTHON];
            done(Command::new(folder.join("bin/pip")).args(pip))
        });
        let or_without = |name, there: io::Result<PathBuf>| match there {
            Ok(folder) => Some(folder),
            Err(error) => {
                eprintln!("without {name}: {error}");
                None
            }
        };
        Self {
            node: or_without("node", node),
            python: or_without("python", python),
        }
    }

    /// Whether it takes part, if it is one of these.
    pub fn can(&self, subject: &str) -> bool {
        match subject {
            "engine.io" | "engine.io-parser" => self.node.is_some(),
            "python-engineio" => self.python.is_some(),
            _ => true,
        }
    }

    /// A server that prints its port, if it is one of these.
    pub fn server(&self, subject: &str) -> Option<Command> {
        match subject {
            "engine.io" => Some(self.node("server.js")),
            "python-engineio" => {
                let python = self.python.as_ref()?.join("bin/python");
                let mut command = Command::new(python);
                command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/others/server.py"));
                Some(command)
            }
            _ => None,
        }
    }

    /// A program that prints how many nanoseconds a packet takes.
    pub fn parser(&self, coding: &Coding, time: Duration) -> Command {
        let form = match coding.form {
            Form::V4Text | Form::V4Base64 => "4",
            Form::V3Text | Form::V3Binary => "3",
        };
        let way = match coding.way {
            Way::Decode => "decode",
            Way::Encode => "encode",
        };
        let kind = match coding.data {
            Payload::Binary(_) => "binary",
            _ => "text",
        };
        let numbers = [coding.data.len(), coding.packets, time.as_millis() as usize];
        let mut command = self.node("parser.js");
        command.args([form, way, kind]);
        command.args(numbers.map(|n| n.to_string()));
        command
    }

    fn node(&self, script: &str) -> Command {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("others");
        let mut command = Command::new("node");
        command.arg(folder.join(script));
        if let Some(node) = &self.node {
            command.env("NODE_PATH", node.join("node_modules"));
        }
        command
    }
}

/// A folder with what a list names, which is installed anew if the list changes.
fn installed(
    folder: &Path,
    list: &str,
    install: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let (wanted, stamp) = (std::fs::read(list)?, folder.join("installed"));
    if std::fs::read(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(folder.into());
    }
    eprintln!("installing what {list} names");
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder)?;
    install(folder)?;
    std::fs::write(stamp, wanted)?;
    Ok(folder.into())
}

fn done(command: &mut Command) -> io::Result<()> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    match command.stderr(Stdio::null()).status()? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(format!("{command:?}: {status}"))),
    }
}
