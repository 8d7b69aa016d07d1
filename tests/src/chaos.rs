//! What a bad network does to HTTP and WebSocket, chosen by a seed.
//!
//! [`Faults`] say how often what happens, a [`Dice`] draws what happens to one exchange
//! or one WebSocket, and [`Head`] finds where a request or an answer ends. The program
//! `chaos` has the sockets.

use std::time::Duration;

use crate::cuts::Random;

/// How often what happens: chances between 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// The longest delay of a request, of an answer, and of what a WebSocket carries.
    pub delay: Duration,
    /// A request that does not arrive, and a connection that ends.
    pub drop_request: f64,
    /// The same with nobody being told: the connection stays open.
    pub stall_request: f64,
    /// The beginning of a request that arrives.
    pub cut_request: f64,
    /// A request that arrives, and an answer that does not.
    pub drop_answer: f64,
    /// The beginning of an answer that arrives.
    pub cut_answer: f64,
    /// An answer of the network's own, 502.
    pub refuse: f64,
    /// A POST that arrives twice, one after the other.
    pub duplicate_post: f64,
    /// A WebSocket that ends with its first packets.
    pub kill_upgrade: f64,
    /// A WebSocket that ends later.
    pub cut_websocket: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(20),
            drop_request: 0.005,
            stall_request: 0.001,
            cut_request: 0.0025,
            drop_answer: 0.005,
            cut_answer: 0.0025,
            refuse: 0.0025,
            duplicate_post: 0.0,
            kill_upgrade: 0.05,
            cut_websocket: 0.05,
        }
    }
}

impl Faults {
    /// Sets what an option of that name says; `false` where there is none, or its value
    /// is no number.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        let Ok(value) = value.parse::<f64>() else {
            return false;
        };
        let chance = match name {
            "--delay" => {
                self.delay = Duration::from_secs_f64(value.max(0.0) / 1000.0);
                return true;
            }
            "--drop-request" => &mut self.drop_request,
            "--stall-request" => &mut self.stall_request,
            "--cut-request" => &mut self.cut_request,
            "--drop-answer" => &mut self.drop_answer,
            "--cut-answer" => &mut self.cut_answer,
            "--refuse" => &mut self.refuse,
            "--duplicate-post" => &mut self.duplicate_post,
            "--kill-upgrade" => &mut self.kill_upgrade,
            "--cut-websocket" => &mut self.cut_websocket,
            _ => return false,
        };
        *chance = value;
        true
    }
}

/// What happens to a request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exchange {
    /// Nothing.
    Pass,
    /// The request does not arrive, and the connection ends.
    DropRequest,
    /// The request does not arrive.
    StallRequest,
    /// Of the request so many thousandths arrive.
    CutRequest(usize),
    /// The answer does not arrive, and the connection ends.
    DropAnswer,
    /// Of the answer so many thousandths arrive.
    CutAnswer(usize),
    /// The answer is 502, and the request does not arrive.
    Refuse,
    /// A POST arrives twice.
    DuplicatePost,
}

/// What happens to a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebSocket {
    /// Nothing.
    Pass,
    /// It ends when the client has sent so many bytes, which still arrive.
    Kill(usize),
}

/// Draws what happens on one connection.
#[derive(Clone, Debug)]
pub struct Dice<'f> {
    random: Random,
    faults: &'f Faults,
}

impl<'f> Dice<'f> {
    /// The dice for the connection of that number.
    pub fn new(seed: u64, connection: u64, faults: &'f Faults) -> Self {
        let mut seeds = Random::new(seed ^ connection.rotate_left(32));
        Self {
            random: Random::new(seeds.next()),
            faults,
        }
    }

    /// What happens to the next exchange.
    pub fn exchange(&mut self) -> Exchange {
        let faults = self.faults;
        let part = self.random.below(1000);
        let mut drawn = self.fraction();
        for (chance, fault) in [
            (faults.drop_request, Exchange::DropRequest),
            (faults.stall_request, Exchange::StallRequest),
            (faults.cut_request, Exchange::CutRequest(part)),
            (faults.drop_answer, Exchange::DropAnswer),
            (faults.cut_answer, Exchange::CutAnswer(part)),
            (faults.refuse, Exchange::Refuse),
            (faults.duplicate_post, Exchange::DuplicatePost),
        ] {
            if drawn < chance {
                return fault;
            }
            drawn -= chance;
        }
        Exchange::Pass
    }

    /// What happens to a WebSocket.
    pub fn websocket(&mut self) -> WebSocket {
        let drawn = self.fraction();
        let end = match () {
            () if drawn < self.faults.kill_upgrade => UPGRADE,
            () if drawn < self.faults.kill_upgrade + self.faults.cut_websocket => LATER,
            () => return WebSocket::Pass,
        };
        WebSocket::Kill(self.random.below(end))
    }

    /// How long the next piece takes.
    pub fn delay(&mut self) -> Duration {
        self.faults.delay.mul_f64(self.fraction())
    }

    /// Whether a connection ends by a reset.
    pub fn resets(&mut self) -> bool {
        self.random.below(2) == 0
    }

    fn fraction(&mut self) -> f64 {
        self.random.below(1_000_000) as f64 / 1e6
    }
}

/// As many bytes as a probe, an upgrade and a short message have.
const UPGRADE: usize = 40;
const LATER: usize = 10_000;

/// The head of a request or of an answer, and where its body ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whether the method is POST.
    pub is_post: bool,
    /// Of an answer, 0 of a request.
    pub status: u16,
    /// How many bytes it has.
    pub len: usize,
    body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Length(usize),
    Chunked,
    UntilEnd,
}

impl Head {
    /// The head at the beginning of `bytes`; `None` while it is not whole.
    ///
    /// # Errors
    ///
    /// Where it is no HTTP.
    pub fn request(bytes: &[u8]) -> Result<Option<Self>, httparse::Error> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        let httparse::Status::Complete(len) = request.parse(bytes)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            is_post: request.method == Some("POST"),
            status: 0,
            len,
            body: body(request.headers).unwrap_or(Body::Length(0)),
        }))
    }

    /// The same of an answer.
    ///
    /// # Errors
    ///
    /// Where it is no HTTP.
    pub fn answer(bytes: &[u8]) -> Result<Option<Self>, httparse::Error> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(len) = answer.parse(bytes)? else {
            return Ok(None);
        };
        let status = answer.code.unwrap_or(0);
        let body = match status {
            100..200 | 204 | 304 => Body::Length(0),
            _ => body(answer.headers).unwrap_or(Body::UntilEnd),
        };
        Ok(Some(Self {
            is_post: false,
            status,
            len,
            body,
        }))
    }

    /// Where the body ends in `bytes`, which begin with this head; `None` while that is
    /// not there yet, or only the end of the connection tells.
    pub fn end(&self, bytes: &[u8]) -> Option<usize> {
        let end = match self.body {
            Body::Length(length) => self.len + length,
            Body::Chunked => self.len + chunks(bytes.get(self.len..)?)?,
            Body::UntilEnd => return None,
        };
        (end <= bytes.len()).then_some(end)
    }

    /// Whether the end of the connection is the end of the body.
    pub fn is_until_end(&self) -> bool {
        self.body == Body::UntilEnd
    }
}

fn body(fields: &[httparse::Header<'_>]) -> Option<Body> {
    let field = |name: &str| {
        let mut fields = fields.iter();
        let found = fields.find(|field| field.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    if field("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return Some(Body::Chunked);
    }
    field("content-length")?
        .trim()
        .parse()
        .ok()
        .map(Body::Length)
}

/// Where the last chunk ends.
fn chunks(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        let digits = std::str::from_utf8(&bytes[at..at + line]).ok()?;
        let size = usize::from_str_radix(digits.split(';').next()?.trim(), 16).ok()?;
        at = at
            .checked_add(line + 2)?
            .checked_add(size)?
            .checked_add(2)?;
        if at > bytes.len() {
            return None;
        }
        if size == 0 {
            return Some(at);
        }
    }
}

/// The most fields of a head.
const FIELDS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_faults() {
        let faults = Faults::default();
        let draw = |seed, connection| {
            let mut dice = Dice::new(seed, connection, &faults);
            let mut drawn = Vec::new();
            for _ in 0..500 {
                drawn.push((dice.exchange(), dice.websocket(), dice.delay()));
            }
            drawn
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn faults_are_as_frequent_as_they_should_be() {
        let mut faults = Faults::default();
        assert!(faults.set("--drop-request", "0.25"));
        assert!(faults.set("--kill-upgrade", "0.5"));
        assert!(faults.set("--delay", "10"));
        assert!(!faults.set("--drop-request", "often"));
        assert!(!faults.set("--drop-everything", "0.1"));
        let mut dice = Dice::new(1, 1, &faults);
        let (mut dropped, mut killed) = (0, 0);
        for _ in 0..10_000 {
            dropped += usize::from(dice.exchange() == Exchange::DropRequest);
            killed += usize::from(matches!(dice.websocket(), WebSocket::Kill(0..UPGRADE)));
            assert!(dice.delay() <= Duration::from_millis(10));
        }
        assert!((2300..2700).contains(&dropped), "{dropped}");
        assert!((4700..5300).contains(&killed), "{killed}");
    }

    #[test]
    fn nothing_happens_where_nothing_may() {
        let mut faults = Faults::default();
        for name in [
            "drop-request",
            "stall-request",
            "cut-request",
            "drop-answer",
            "cut-answer",
        ] {
            assert!(faults.set(&format!("--{name}"), "0"));
        }
        for name in [
            "refuse",
            "duplicate-post",
            "kill-upgrade",
            "cut-websocket",
            "delay",
        ] {
            assert!(faults.set(&format!("--{name}"), "0"));
        }
        let mut dice = Dice::new(1, 1, &faults);
        for _ in 0..10_000 {
            assert_eq!(dice.exchange(), Exchange::Pass);
            assert_eq!(dice.websocket(), WebSocket::Pass);
            assert_eq!(dice.delay(), Duration::ZERO);
        }
    }

    #[test]
    fn requests_end_where_their_body_does() {
        for (head, body) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
            ("POST / HTTP/1.1\r\nContent-LENGTH: 5\r\n\r\n", "hello"),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "5\r\nhello\r\n0\r\n\r\n",
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n",
                "a;b\r\n0\r\n\r\n56789\r\n0\r\n\r\n",
            ),
        ] {
            let whole = format!("{head}{body}");
            for len in 0..whole.len() {
                let part = &whole.as_bytes()[..len];
                let found = Head::request(part).expect("it is HTTP");
                assert_eq!(found.and_then(|head| head.end(part)), None, "{part:?}");
            }
            let more = format!("{whole}GET");
            let found = Head::request(more.as_bytes()).expect("it is HTTP");
            let found = found.expect("it is whole");
            assert_eq!(found.is_post, head.starts_with("POST"));
            assert_eq!(found.end(more.as_bytes()), Some(whole.len()));
        }
        assert!(Head::request(b"\x16\x03\x01").is_err());
    }

    #[test]
    fn answers_end_where_their_body_does() {
        for (answer, status, end) in [
            (
                "HTTP/1.1 101 Switching Protocols\r\n\r\n\x01",
                101,
                Some(36),
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, Some(27)),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP",
                200,
                Some(40),
            ),
            ("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, None),
        ] {
            let found = Head::answer(answer.as_bytes()).expect("it is HTTP");
            let found = found.expect("it is whole");
            assert_eq!((found.status, found.end(answer.as_bytes())), (status, end));
            assert_eq!(found.is_until_end(), end.is_none());
        }
    }
}
