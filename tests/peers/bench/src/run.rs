//! The whole run: every subject in every scenario, interleaved, each sample in a
//! process of its own.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::count::{Asked, Meter, pin, thread_time};
use crate::load::Load;
use crate::sample::Sample;
use crate::scenario::{Echo, Job, Scenario};
use crate::{decode, encode, serve};

/// How long and how often.
#[derive(Clone, Debug)]
pub struct Plan {
    pub rounds: usize,
    pub memory: Duration,
    pub echo: Duration,
    /// Scenarios whose name holds this.
    pub only: String,
}

/// One scenario with what was measured in it.
pub struct Block {
    pub name: &'static str,
    pub rows: Vec<Row>,
}

/// One subject in one scenario.
pub struct Row {
    pub subject: String,
    pub samples: Vec<Sample>,
    /// User instructions as a simulator counts them, where the machine does not.
    pub simulated: Option<f64>,
    /// How busy the load generator was, at the most.
    pub load: Option<f64>,
}

/// The programs that are measured.
pub struct Programs {
    pub whole: PathBuf,
    /// sockeye without its feature `simd`.
    pub portable: PathBuf,
    /// Where the simulator keeps its files, if there is one to count with.
    pub simulator: Option<PathBuf>,
}

/// Runs everything, and shows how far it is.
pub fn run(plan: &Plan, programs: &Programs) -> io::Result<Vec<Block>> {
    pin(1);
    let all = crate::scenario::all();
    let wanted = all
        .iter()
        .enumerate()
        .filter(|(_, s)| s.name.contains(&plan.only));
    let wanted: Vec<_> = wanted.collect();
    let mut progress = Progress::new(wanted.iter().map(|(_, s)| subjects(s).len()).sum(), plan);
    let mut blocks = Vec::new();
    for (number, scenario) in wanted {
        let mut rows: Vec<Row> = subjects(scenario).into_iter().map(Row::new).collect();
        for _ in 0..plan.rounds {
            for row in &mut rows {
                progress.step(scenario.name, &row.subject);
                row.sample(number, scenario, plan, programs)?;
            }
        }
        for row in &mut rows {
            progress.step(scenario.name, &row.subject);
            if let (None, Some(folder)) = (row.samples[0].user, &programs.simulator) {
                row.simulated = Some(row.simulate(number, scenario, programs, folder)?);
            }
        }
        blocks.push(Block {
            name: scenario.name,
            rows,
        });
    }
    progress.end();
    Ok(blocks)
}

/// Who takes part; sockeye does in both programs.
fn subjects(scenario: &Scenario) -> Vec<String> {
    let names = match scenario.job {
        Job::Decode(_) => decode::SUBJECTS,
        Job::Encode(_) => encode::SUBJECTS,
        Job::Echo(_) => serve::SUBJECTS,
    };
    let mut subjects = Vec::new();
    for name in names {
        subjects.push(name.to_string());
        if name.starts_with("sockeye") {
            subjects.push(format!("{name}{PORTABLE}"));
        }
    }
    subjects
}

/// Copies go by vectors. A copy by one instruction would be counted once for each
/// byte, and may take twice as long if the two places lie badly in their pages.
const COPIES: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.cpu.x86_rep_movsb_threshold=2000000000:\
     glibc.cpu.x86_rep_stosb_threshold=2000000000",
);

const PORTABLE: &str = " without simd";

impl Row {
    fn new(subject: String) -> Self {
        Self {
            subject,
            samples: Vec::new(),
            simulated: None,
            load: None,
        }
    }

    /// Whether this is neither sockeye nor a limit.
    pub fn is_peer(&self) -> bool {
        !self.is_ours() && !matches!(&*self.subject, "copy" | "tcp" | "floor")
    }

    pub fn is_ours(&self) -> bool {
        self.subject.starts_with("sockeye")
    }

    pub fn is_portable(&self) -> bool {
        self.subject.ends_with(PORTABLE)
    }

    fn program<'p>(&self, programs: &'p Programs) -> (&'p Path, &str) {
        match self.subject.strip_suffix(PORTABLE) {
            Some(name) => (&programs.portable, name),
            None => (&programs.whole, &self.subject),
        }
    }

    fn sample(
        &mut self,
        number: usize,
        scenario: &Scenario,
        plan: &Plan,
        programs: &Programs,
    ) -> io::Result<()> {
        let (program, name) = self.program(programs);
        let mut command = Command::new(program);
        let sample = match &scenario.job {
            Job::Echo(echo) => {
                let (sample, load) = echo_for(command, name, echo, plan.echo)?;
                self.load = Some(self.load.unwrap_or(0.0).max(load));
                sample
            }
            _ => {
                let time = plan.memory.as_millis().to_string();
                command.args(["worker", &number.to_string(), name, &time]);
                command.envs([COPIES]);
                let line = output(command)?;
                Sample::decode(&line).ok_or_else(|| unexpected(&line))?
            }
        };
        self.samples.push(sample);
        Ok(())
    }

    /// User instructions per message, from a simulator.
    fn simulate(
        &self,
        number: usize,
        scenario: &Scenario,
        programs: &Programs,
        folder: &Path,
    ) -> io::Result<f64> {
        let (program, name) = self.program(programs);
        let out = folder.join("callgrind");
        let mut command = Command::new("valgrind");
        command
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg("--dump-before=measured_from_here")
            .arg(program)
            .envs([COPIES])
            .stderr(Stdio::null());
        let messages = match &scenario.job {
            Job::Echo(echo) => echo_some(command, name, echo)?,
            _ => {
                command.args(["count", &number.to_string(), name]);
                let line = output(command)?;
                line.trim().parse().map_err(|_| unexpected(&line))?
            }
        };
        // What was spent between the two marks.
        let dump = std::fs::read_to_string(out.with_extension("2"))?;
        let total = dump.lines().find_map(|line| line.strip_prefix("summary: "));
        let total: f64 = total
            .and_then(|n| n.parse().ok())
            .ok_or_else(|| unexpected(&dump))?;
        Ok(total / messages as f64)
    }
}

/// A server, until it is dropped.
struct Server {
    child: Child,
    port: u16,
    counts: u16,
}

impl Server {
    fn start(mut command: Command, name: &str) -> io::Result<Self> {
        let mut child = command
            .args(["serve", name])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let ports: Option<Vec<u16>> = line.split_whitespace().map(|w| w.parse().ok()).collect();
        match ports.as_deref() {
            Some([port, counts]) => Ok(Self {
                child,
                port: *port,
                counts: *counts,
            }),
            _ => Err(unexpected(&line)),
        }
    }

    /// What the server has asked of the system; a mark for the simulator.
    fn asked(&self) -> io::Result<Asked> {
        let mut line = String::new();
        std::net::TcpStream::connect(("127.0.0.1", self.counts))?.read_to_string(&mut line)?;
        Asked::decode(&line).ok_or_else(|| unexpected(&line))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Measures an echo server for so long, and the load on the generator.
fn echo_for(
    command: Command,
    name: &str,
    echo: &Echo,
    time: Duration,
) -> io::Result<(Sample, f64)> {
    let server = Server::start(command, name)?;
    let mut load = Load::new(echo, server.port, name == "tcp")?;
    load.run_for(time / 4)?;
    let mut meter = Meter::new(Some(server.child.id()));
    let before = server.asked()?;
    let began = thread_time();
    meter.start();
    let messages = load.run_for(time)?;
    let spent = meter.stop();
    let busy = (thread_time() - began) / spent.wall;
    let asked = server.asked()?.since(before);
    Ok((Sample::new(spent, asked, messages), busy))
}

/// Sends some messages between two marks, and says how many.
fn echo_some(command: Command, name: &str, echo: &Echo) -> io::Result<u64> {
    let server = Server::start(command, name)?;
    let mut load = Load::new(echo, server.port, name == "tcp")?;
    let messages = ((64 << 20) / echo.payload.len()).clamp(40, 6400);
    let rounds = (messages / echo.in_flight).max(2 * echo.connections) as u64;
    let open = echo.connections as u64;
    load.run(|done| done + open <= rounds)?;
    server.asked()?;
    let messages = load.run(|done| done + open <= rounds)?;
    server.asked()?;
    Ok(messages)
}

fn output(mut command: Command) -> io::Result<String> {
    let output = command.stderr(Stdio::null()).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(io::Error::other(format!("{command:?}: {}", output.status))),
    }
}

fn unexpected(said: &str) -> io::Error {
    let said: String = said.chars().take(80).collect();
    io::Error::other(format!("unexpected answer of a measured process: {said:?}"))
}

/// How far it is, on one line of the terminal.
struct Progress {
    done: usize,
    all: usize,
}

impl Progress {
    fn new(cells: usize, plan: &Plan) -> Self {
        Self {
            done: 0,
            all: cells * (plan.rounds + 1),
        }
    }

    fn step(&mut self, scenario: &str, subject: &str) {
        self.done += 1;
        let Self { done, all } = self;
        let mut out = io::stderr();
        let _ = if out.is_terminal() {
            write!(out, "\r\x1b[K[{done}/{all}] {scenario}: {subject}")
        } else if *done % 50 == 1 {
            writeln!(out, "[{done}/{all}] {scenario}")
        } else {
            Ok(())
        };
    }

    fn end(&self) {
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}
