//! Memory of sessions that do nothing.

use std::fmt::Write;
use std::io;
use std::process::Command;
use std::thread::sleep;

use super::load::{AT_ONCE, Poller, settle, websocket};
use super::serve::SUBJECTS;
use super::wire::Wire;
use crate::run::{Programs, Server};

/// So many sessions, after some that make the server ready.
const SESSIONS: usize = 1000;
const FIRST: usize = 50;

/// What a session holds, in bytes.
struct Held {
    /// Of the allocator, where it is counted.
    live: Option<f64>,
    /// Of the whole process, as the system counts it.
    resident: f64,
}

/// The table of all who take part.
pub fn table(programs: &Programs) -> io::Result<String> {
    let mut out = String::from(
        "| bytes per idle session | WebSocket | over floor | resident | parked poll | over floor | resident |\n\
         | ---------------------: | --------: | ---------: | -------: | ----------: | ---------: | -------: |\n",
    );
    let mut floor = None;
    for subject in SUBJECTS.iter().filter(|name| programs.others.can(name)) {
        eprintln!("idle sessions: {subject}");
        let socket = held(
            programs,
            subject,
            |port| websocket(port, None),
            |mut wire| settle(&mut wire).map(|()| wire),
        )?;
        let poll = held(
            programs,
            subject,
            |port| Poller::open(port, b""),
            |mut poller| {
                poller.settle()?;
                poller.get()?;
                Ok(poller.into_gets())
            },
        )?;
        let least = floor.get_or_insert((socket.live, poll.live));
        let _ = writeln!(
            out,
            "| {subject:<22} | {:>9} | {:>10} | {:>8.0} | {:>11} | {:>10} | {:>8.0} |",
            whole(socket.live),
            over(socket.live, least.0),
            socket.resident,
            whole(poll.live),
            over(poll.live, least.1),
            poll.resident,
        );
    }
    Ok(out)
}

/// Opens sessions, puts them to rest, and says what each adds.
fn held<T>(
    programs: &Programs,
    subject: &str,
    open: impl Fn(u16) -> io::Result<T>,
    rest: impl Fn(T) -> io::Result<Wire>,
) -> io::Result<Held> {
    let ours = Command::new(&programs.whole);
    let server = Server::engineio(ours, subject, &programs.others)?;
    let some = |n| {
        let all = (0..n).map(|_| open(server.port));
        let all: Vec<T> = all.collect::<io::Result<_>>()?;
        sleep(AT_ONCE);
        all.into_iter()
            .map(&rest)
            .collect::<io::Result<Vec<Wire>>>()
    };
    let _first = some(FIRST)?;
    let before = measure(&server)?;
    let _all = some(SESSIONS)?;
    let after = measure(&server)?;
    let each = |n: f64| n / SESSIONS as f64;
    Ok(Held {
        live: after
            .live
            .zip(before.live)
            .map(|(after, before)| each(after - before)),
        resident: each(after.resident - before.resident),
    })
}

/// What the server holds, once it has done what there is to do.
fn measure(server: &Server) -> io::Result<Held> {
    // The last request may still be on its way to where it waits.
    Poller::open(server.port, b"")?;
    let asked = server.asked()?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|line| line.trim().strip_suffix(" kB"));
    let resident: f64 = resident.and_then(|n| n.parse().ok()).unwrap_or(f64::NAN);
    Ok(Held {
        live: asked.map(|asked| asked.allocated.wrapping_sub(asked.freed) as f64),
        resident: resident * 1024.0,
    })
}

fn whole(n: Option<f64>) -> String {
    n.map_or("-".into(), |n| format!("{n:.0}"))
}

fn over(n: Option<f64>, least: Option<f64>) -> String {
    whole(n.zip(least).map(|(n, least)| n - least))
}
