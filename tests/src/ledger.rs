//! Proof that no message was lost, doubled or reordered.
//!
//! Each end of a session writes a line for whatever happens to it; [`Report`] reads
//! the lines of both ends afterwards and says what became of every message:
//!
//! ```text
//! <sid> <client|server> open
//! <sid> <client|server> sent <up|down> <number>
//! <sid> <client|server> got <run> <sid> <up|down> <number> <length> <hash> <length> <hash>
//! <sid> <client> complete
//! <sid> <client|server> closed <reason>
//! ```
//!
//! `sent` is written before a message is handed over, and only where it was accepted.
//! The words behind `got` are those of the message itself, then the length and the hash
//! of the body that came with them. A message is delivered to whoever did not send it;
//! where the server is an echo and writes no lines, to its sender. `complete` says that
//! all messages of both ends must have arrived. Without it a session may end before its
//! last messages have; then those, and none before them, are undelivered.
//!
//! A message is text, or the same bytes as binary: run, sid, direction, number, length
//! and hash, with a space behind each, and the body.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The hash of a body: FNV-1a with 32 bits, in hexadecimal digits.
pub fn hash(body: &[u8]) -> String {
    let hash = body.iter().fold(0x811c_9dc5_u32, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("{hash:08x}")
}

/// A message of a session.
pub fn message(run: &str, sid: &str, direction: &str, number: u64, body: &str) -> String {
    let (length, hash) = (body.len(), hash(body.as_bytes()));
    format!("{run} {sid} {direction} {number} {length} {hash} {body}")
}

/// The line for a message that `side` of the session `sid` received.
pub fn got(sid: &str, side: &str, message: &[u8]) -> String {
    let words: Vec<_> = message.splitn(7, |&byte| byte == b' ').collect();
    let [head @ .., body] = &words[..] else {
        return format!("{sid} {side} got");
    };
    let head = head.iter().map(|word| String::from_utf8_lossy(word));
    let head = head.collect::<Vec<_>>().join(" ");
    format!("{sid} {side} got {head} {} {}", body.len(), hash(body))
}

/// What became of the messages of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Sessions by what they came to.
    pub sessions: BTreeMap<&'static str, usize>,
    /// Messages by what became of them.
    pub messages: BTreeMap<Fate, usize>,
    /// How often each end gave each reason.
    pub reasons: BTreeMap<String, usize>,
    /// What must not be, one line each.
    pub failures: Vec<String>,
}

/// What became of a message. Only the first two may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It arrived, once and in its turn.
    Delivered,
    /// It did not, nor did any behind it, and the session ended early.
    Undelivered,
    /// It did not, although a later one did or the session is complete.
    Lost,
    /// It arrived again.
    Duplicated,
    /// It arrived behind a later one.
    Reordered,
    /// Its length or its hash is another.
    Corrupted,
    /// It belongs to another run, session or direction, or nobody sent it.
    Foreign,
    /// It arrived after the end of the session.
    AfterClose,
}

/// One end of a session, as its lines tell.
#[derive(Debug, Default)]
struct Side {
    opens: usize,
    closes: usize,
    complete: bool,
    sent: Vec<(String, u64)>,
    got: Vec<Got>,
}

/// A message that arrived.
#[derive(Debug)]
struct Got {
    run: String,
    sid: String,
    direction: String,
    number: u64,
    is_intact: bool,
    after_close: bool,
}

impl Side {
    /// Takes the rest of a line; `None` where it is none.
    fn line(&mut self, words: &[&str]) -> Option<()> {
        match *words {
            ["open"] => self.opens += 1,
            ["complete"] => self.complete = true,
            ["closed", ..] => self.closes += 1,
            ["sent", direction, number] => self.sent.push((direction.into(), number.parse().ok()?)),
            ["got", run, sid, direction, number, ref body @ ..] => self.got.push(Got {
                run: run.into(),
                sid: sid.into(),
                direction: direction.into(),
                number: number.parse().ok()?,
                is_intact: matches!(body, [length, hash, l, h] if (length, hash) == (l, h)),
                after_close: self.closes > 0,
            }),
            _ => return None,
        }
        Some(())
    }
}

impl Report {
    /// Reads the lines of all ends, those of one end in their order.
    pub fn new<'l>(run: &str, lines: impl IntoIterator<Item = &'l str>) -> Self {
        let mut report = Self::default();
        let mut sessions: BTreeMap<&str, [Side; 2]> = BTreeMap::new();
        let mut is_echo = true;
        for line in lines {
            let words: Vec<_> = line.split(' ').collect();
            let (&[sid, side, ref words @ ..], true) = (&words[..], words.len() > 2) else {
                report.failures.push(format!("no line of a ledger: {line}"));
                continue;
            };
            let is_server = side == "server";
            is_echo &= !is_server;
            let end = &mut sessions.entry(sid).or_default()[usize::from(is_server)];
            if end.line(words).is_none() {
                report.failures.push(format!("no line of a ledger: {line}"));
            }
            if let ["closed", reason @ ..] = words {
                let reason = format!("{side}: {}", reason.join(" "));
                *report.reasons.entry(reason).or_default() += 1;
            }
        }
        for (sid, [client, server]) in &sessions {
            report.session(sid, client, server, is_echo);
            let complete = client.complete;
            if is_echo {
                report.messages([run, sid, "up"], &client.sent, &client.got, complete);
            } else {
                report.messages([run, sid, "up"], &client.sent, &server.got, complete);
                report.messages([run, sid, "down"], &server.sent, &client.got, complete);
            }
        }
        report
    }

    /// Whether everything is as it must be.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }

    /// Both ends open once and close once.
    fn session(&mut self, sid: &str, client: &Side, server: &Side, is_echo: bool) {
        for (side, name) in [(client, "client"), (server, "server")] {
            let (opens, closes) = (side.opens, side.closes);
            if opens > 1 || closes != opens {
                let what = format!("{sid} {name}: opened {opens} times, closed {closes} times");
                self.failures.push(what);
            }
        }
        let kind = match (client.opens, server.opens) {
            (0, _) => "that no client knew",
            (_, 0) if !is_echo => {
                self.failures.push(format!("{sid}: unknown to the server"));
                "that no server knew"
            }
            _ if client.complete => "complete",
            _ => "ended early",
        };
        *self.sessions.entry(kind).or_default() += 1;
    }

    /// What became of the messages of one direction of one session.
    fn messages(&mut self, stream: [&str; 3], sent: &[(String, u64)], got: &[Got], complete: bool) {
        let [run, sid, direction] = stream;
        let sent = sent.iter().filter(|(way, _)| way == direction);
        let sent: BTreeSet<u64> = sent.map(|&(_, number)| number).collect();
        let mut seen = BTreeSet::new();
        let mut highest = 0;
        for got in got {
            let number = got.number;
            let is_ours = [&*got.run, &*got.sid, &*got.direction] == [run, sid, direction];
            if !is_ours || !sent.contains(&number) {
                self.became(Fate::Foreign, sid, direction, number);
                continue;
            }
            let fate = if !got.is_intact {
                Fate::Corrupted
            } else if got.after_close {
                Fate::AfterClose
            } else if seen.contains(&number) {
                Fate::Duplicated
            } else if number < highest {
                Fate::Reordered
            } else {
                Fate::Delivered
            };
            seen.insert(number);
            highest = highest.max(number);
            self.became(fate, sid, direction, number);
        }
        for &number in sent.difference(&seen) {
            let is_last = number > highest && !complete;
            let fate = if is_last {
                Fate::Undelivered
            } else {
                Fate::Lost
            };
            self.became(fate, sid, direction, number);
        }
    }

    fn became(&mut self, fate: Fate, sid: &str, direction: &str, number: u64) {
        *self.messages.entry(fate).or_default() += 1;
        if !matches!(fate, Fate::Delivered | Fate::Undelivered) {
            let what = format!("{sid} {direction} {number}: {fate:?}");
            self.failures.push(what);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in &self.sessions {
            writeln!(f, "{count:>9} sessions {kind}")?;
        }
        for (fate, count) in &self.messages {
            writeln!(f, "{count:>9} messages {fate:?}")?;
        }
        for (reason, count) in &self.reasons {
            writeln!(f, "{count:>9} closed, {reason}")?;
        }
        for failure in self.failures.iter().take(SHOWN) {
            writeln!(f, "  FAILED {failure}")?;
        }
        write!(f, "{:>9} failures", self.failures.len())
    }
}

/// How many failures are shown.
const SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// A session S in which the client sends `up` and the server receives `got`.
    fn ended(up: u64, got: &[u64], last: &[&str]) -> Report {
        let mut lines = vec!["S client open".to_owned(), "S server open".to_owned()];
        lines.extend((1..=up).map(|number| format!("S client sent up {number}")));
        lines.extend(got.iter().map(|&number| received("R", "S", number)));
        lines.extend(last.iter().map(|&line| line.to_owned()));
        lines.push("S client closed transport error".to_owned());
        lines.push("S server closed ping timeout".to_owned());
        Report::new("R", lines.iter().map(String::as_str))
    }

    fn received(run: &str, sid: &str, number: u64) -> String {
        super::got(
            "S",
            "server",
            message(run, sid, "up", number, "body é").as_bytes(),
        )
    }

    fn count(report: &Report, fate: Fate) -> usize {
        report.messages.get(&fate).copied().unwrap_or(0)
    }

    #[test]
    fn whole_session_is_clean() {
        let report = ended(3, &[1, 2, 3], &["S client complete"]);
        assert!(report.is_clean(), "{report}");
        assert_eq!(count(&report, Fate::Delivered), 3);
    }

    #[test]
    fn suffix_may_be_undelivered() {
        let report = ended(3, &[1], &[]);
        assert!(report.is_clean(), "{report}");
        assert_eq!(count(&report, Fate::Undelivered), 2);
    }

    #[test]
    fn suffix_of_a_complete_session_is_lost() {
        assert_eq!(
            count(&ended(3, &[1, 2], &["S client complete"]), Fate::Lost),
            1
        );
    }

    #[test]
    fn gap_is_lost() {
        let report = ended(3, &[1, 3], &[]);
        assert_eq!(count(&report, Fate::Lost), 1);
        assert!(!report.is_clean());
    }

    #[test]
    fn second_one_is_duplicated() {
        assert_eq!(count(&ended(2, &[1, 1, 2], &[]), Fate::Duplicated), 1);
    }

    #[test]
    fn late_one_is_reordered_and_not_lost() {
        let report = ended(3, &[1, 3, 2], &[]);
        assert_eq!(count(&report, Fate::Reordered), 1);
        assert_eq!(count(&report, Fate::Lost), 0);
    }

    #[test]
    fn other_body_is_corrupted() {
        let line = received("R", "S", 1);
        let line = line.replace(&hash("body é".as_bytes()), "00000000");
        let line = line.replacen("00000000", "11111111", 1);
        let report = ended(1, &[], &[&line]);
        assert_eq!(count(&report, Fate::Corrupted), 1);
    }

    #[test]
    fn what_nobody_sent_is_foreign() {
        for line in [
            received("R", "S", 9),
            received("other", "S", 1),
            received("R", "T", 1),
            received("R", "S", 1).replace(" up ", " down "),
        ] {
            let report = ended(1, &[], &[&line]);
            assert_eq!(count(&report, Fate::Foreign), 1, "{line}: {report}");
            assert!(!report.is_clean());
        }
    }

    #[test]
    fn what_is_no_line_is_a_failure() {
        for line in [
            "",
            "S",
            "S client",
            "S client odd",
            "S server got",
            "S server got R S up x",
        ] {
            assert!(!Report::new("R", [line]).is_clean(), "{line}");
        }
        // A message that was cut short has no hash to compare.
        let cut = got("S", "server", b"R S up 1 3");
        assert_eq!(count(&ended(1, &[], &[&cut]), Fate::Corrupted), 1);
    }

    #[test]
    fn nothing_may_follow_the_end() {
        let mut lines = vec![
            "S client open",
            "S client sent up 1",
            "S client closed by me",
        ];
        let line = got("S", "client", message("R", "S", "up", 1, "").as_bytes());
        lines.push(&line);
        let report = Report::new("R", lines);
        assert_eq!(count(&report, Fate::AfterClose), 1);
        assert!(!report.is_clean());
    }

    #[test]
    fn every_end_ends_once() {
        for lines in [
            vec!["S client open"],
            vec!["S client open", "S client closed a", "S client closed b"],
            vec!["S client closed a"],
        ] {
            assert!(!Report::new("R", lines.clone()).is_clean(), "{lines:?}");
        }
    }

    #[test]
    fn server_may_open_what_no_client_knows() {
        let lines = [
            "S server open",
            "S server sent down 1",
            "S server closed ping timeout",
        ];
        let report = Report::new("R", lines);
        assert!(report.is_clean(), "{report}");
        let lines = [
            "S client open",
            "S client closed a",
            "T server open",
            "T server closed b",
        ];
        assert!(!Report::new("R", lines).is_clean());
    }

    #[test]
    fn echo_writes_no_lines() {
        let back = |number| {
            got(
                "S",
                "client",
                message("R", "S", "up", number, "x").as_bytes(),
            )
        };
        let (one, two) = (back(1), back(2));
        let sent = ["S client open", "S client sent up 1", "S client sent up 2"];
        let whole = [&one, &two, "S client complete", "S client closed by me"];
        let report = Report::new("R", sent.into_iter().chain(whole));
        assert!(report.is_clean(), "{report}");
        let gap = [&*two, "S client closed by me"];
        let report = Report::new("R", sent.into_iter().chain(gap));
        assert_eq!(count(&report, Fate::Lost), 1);
    }
}
