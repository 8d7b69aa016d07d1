//! The whole run: every subject in every scenario, interleaved, each sample in a
//! process of its own.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::count::{Asked, Meter, pin, thread_time};
use crate::engineio::others::Others;
use crate::engineio::{self, codec};
use crate::load::{Generator, Load};
use crate::sample::Sample;
use crate::scenario::{Job, Scenario};
use crate::{decode, encode, serve};

/// How long and how often.
#[derive(Clone, Debug)]
pub struct Plan {
    pub rounds: usize,
    pub memory: Duration,
    pub echo: Duration,
    /// Scenarios whose name holds this.
    pub only: String,
    /// Whether the results are to be kept beside the program.
    pub keep: bool,
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
    /// sockeye without its feature `simd`, where that makes a difference.
    pub portable: PathBuf,
    /// Where the simulator keeps its files, if there is one to count with.
    pub simulator: Option<PathBuf>,
    pub others: Others,
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
    let rows = |scenario| {
        let mut rows: Vec<Row> = subjects(scenario).into_iter().map(Row::new).collect();
        rows.retain(|row| programs.others.can(&row.subject));
        rows
    };
    let cells = wanted.iter().map(|(_, s)| rows(s).len()).sum();
    let mut progress = Progress::new(cells, plan);
    let mut blocks = Vec::new();
    for (number, scenario) in wanted {
        let mut rows = rows(scenario);
        for _ in 0..plan.rounds {
            for row in &mut rows {
                progress.step(scenario.name, &row.subject);
                let sampled = row.sample(number, scenario, plan, programs);
                sampled.map_err(|error| row.failed(scenario, &error))?;
            }
        }
        for row in &mut rows {
            progress.step(scenario.name, &row.subject);
            if let (None, Some(folder)) = (row.samples[0].user, &programs.simulator) {
                let simulated = row.simulate(number, scenario, programs, folder);
                row.simulated = simulated.map_err(|error| row.failed(scenario, &error))?;
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
        Job::Payload(_) => codec::SUBJECTS,
        Job::Sessions(_) => engineio::serve::SUBJECTS,
    };
    let mut subjects = Vec::new();
    for name in names {
        subjects.push(name.to_string());
        if scenario.is_in_vectors() && name.starts_with("sockeye") {
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

    fn failed(&self, scenario: &Scenario, error: &io::Error) -> io::Error {
        io::Error::other(format!("{}: {}: {error}", scenario.name, self.subject))
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
            Job::Echo(_) | Job::Sessions(_) => {
                let mut server = Server::of(scenario, command, name, &programs.others)?;
                let (sample, load) = server.measure(scenario, name, plan.echo)?;
                self.load = Some(self.load.unwrap_or(0.0).max(load));
                sample
            }
            Job::Payload(coding) if name == "engine.io-parser" => {
                let line = output(programs.others.parser(coding, plan.memory))?;
                let time = line.trim().parse().map_err(|_| unexpected(&line))?;
                Sample::timed(time)
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

    /// User instructions per message, from a simulator, of what is no program of
    /// another language.
    fn simulate(
        &self,
        number: usize,
        scenario: &Scenario,
        programs: &Programs,
        folder: &Path,
    ) -> io::Result<Option<f64>> {
        let (program, name) = self.program(programs);
        if name == "engine.io-parser" || programs.others.server(name).is_some() {
            return Ok(None);
        }
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
            Job::Echo(_) | Job::Sessions(_) => {
                Server::of(scenario, command, name, &programs.others)?.count(scenario, name)?
            }
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
        Ok(Some(total / messages as f64))
    }
}

/// A server, until it is dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    /// Where it tells what it asked of the system, if it does.
    counts: Option<u16>,
}

impl Server {
    fn of(scenario: &Scenario, mut ours: Command, name: &str, others: &Others) -> io::Result<Self> {
        match scenario.job {
            Job::Sessions(_) => Self::engineio(ours, name, others),
            _ => {
                ours.args(["serve", name]);
                Self::start(ours)
            }
        }
    }

    /// A server of Engine.IO: of this program, or of another one.
    pub fn engineio(mut ours: Command, name: &str, others: &Others) -> io::Result<Self> {
        ours.args(["serve-engineio", name]);
        Self::start(others.server(name).unwrap_or(ours))
    }

    fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let ports: Option<Vec<u16>> = line.split_whitespace().map(|w| w.parse().ok()).collect();
        let (port, counts) = match ports.as_deref() {
            Some([port, counts]) => (*port, Some(*counts)),
            Some([port]) => (*port, None),
            _ => return Err(unexpected(&line)),
        };
        Ok(Self {
            child,
            port,
            counts,
        })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the server has asked of the system; a mark for the simulator.
    pub fn asked(&self) -> io::Result<Option<Asked>> {
        let Some(counts) = self.counts else {
            return Ok(None);
        };
        let mut line = String::new();
        std::net::TcpStream::connect(("127.0.0.1", counts))?.read_to_string(&mut line)?;
        Asked::decode(&line)
            .map(Some)
            .ok_or_else(|| unexpected(&line))
    }

    fn load(&self, scenario: &Scenario, name: &str) -> io::Result<Box<dyn Generator>> {
        Ok(match &scenario.job {
            Job::Echo(echo) => Box::new(Load::new(echo, self.port, name == "tcp")?),
            Job::Sessions(sessions) => Box::new(engineio::load::Load::new(sessions, self.port)?),
            _ => panic!("code in memory is no server"),
        })
    }

    /// Measures for so long, and how busy the generator was.
    fn measure(
        &mut self,
        scenario: &Scenario,
        name: &str,
        time: Duration,
    ) -> io::Result<(Sample, f64)> {
        let mut load = self.load(scenario, name)?;
        load.run_for(time / 4)?;
        let mut meter = Meter::new(Some(self.id()));
        let before = self.asked()?;
        let began = thread_time();
        meter.start();
        let messages = load.run_for(time)?;
        let spent = meter.stop();
        let busy = (thread_time() - began) / spent.wall;
        let asked = match (self.asked()?, before) {
            (Some(after), Some(before)) => Some(after.since(before)),
            _ => None,
        };
        let mut sample = Sample::new(spent, asked, messages);
        sample.wall = load.latency().unwrap_or(sample.wall);
        Ok((sample, busy))
    }

    /// Sends some messages between two marks, and says how many.
    fn count(&mut self, scenario: &Scenario, name: &str) -> io::Result<u64> {
        let mut load = self.load(scenario, name)?;
        load.run_some()?;
        self.asked()?;
        let messages = load.run_some()?;
        self.asked()?;
        Ok(messages)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn output(mut command: Command) -> io::Result<String> {
    let output = command.stderr(Stdio::null()).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(io::Error::other(format!("{command:?}: {}", output.status))),
    }
}

pub fn unexpected(said: &str) -> io::Error {
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
