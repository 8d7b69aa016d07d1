//! The opening handshake on vectors: what either end makes of the bytes of the
//! other.
//!
//! A row says in which lines it departs from a message that is as it should be,
//! [`REQUEST`] or [`RESPONSE`], and what comes of it:
//!
//! ```toml
//! [[vector]]
//! id = "H08"
//! about = "Connection does not name Upgrade"
//! request = { without = ["Connection"], with = ["Connection: keep-alive"] }
//! event = "Failed(NoConnectionUpgrade)"
//! status = 426
//! fields = ["Upgrade: websocket"]       # lines that the answer has
//! ```
//!
//! A long text is written short: `<a*8193>` stands for so many times `a`.

use serde::Deserialize;
use sockeye::websocket::SLICES;
use sockeye::websocket::handshake::{
    ClientHandshake, ClientRequest, HttpVersion, Origins, Response, ResponseHead, ServerEvent,
    ServerHandshake, ServerOptions, check_request, check_response, client_key,
};
use sockeye::{Instant, Progress};

use crate::cuts::{Cut, cuts};
use crate::hex;

/// The request that the rows of servers depart from.
pub const REQUEST: [&str; 6] = [
    "GET /ws HTTP/1.1",
    "Host: h",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// What [`REQUEST`] is accepted with.
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The response that the rows of clients depart from.
pub const RESPONSE: [&str; 4] = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
];

/// The nonce of clients, whose key is the one in [`REQUEST`].
pub const NONCE: [u8; 16] = *b"the sample nonce";

/// The bytes of a message: `lines` with the departures of a row.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// What stands before the start line.
    #[serde(default)]
    pub before: String,
    /// Another start line.
    pub start: Option<String>,
    /// The names of the fields that are left out.
    #[serde(default)]
    pub without: Vec<String>,
    /// The lines that follow the others.
    #[serde(default)]
    pub with: Vec<String>,
    /// All of the bytes, in place of the above.
    pub text: Option<String>,
    /// What follows the head, in the notation of [`hex`].
    #[serde(default, deserialize_with = "hex::deserialize")]
    pub after: Vec<u8>,
}

impl Message {
    fn lines(&self, lines: &[&str]) -> Vec<String> {
        let mut kept: Vec<_> = lines.iter().map(|line| String::from(*line)).collect();
        if let Some(start) = &self.start {
            kept[0].clone_from(start);
        }
        let is_without = |line: &str| {
            let (name, _) = line.split_once(": ").unwrap_or((line, ""));
            self.without.iter().any(|without| without == name)
        };
        kept.retain(|line| !is_without(line));
        kept.extend(self.with.iter().cloned());
        // A long text may have made several lines of one.
        let lines = kept.iter().map(|line| expand(line));
        let lines: Vec<_> = lines.collect();
        lines
            .iter()
            .flat_map(|line| line.split("\r\n"))
            .map(String::from)
            .collect()
    }

    fn bytes(&self, lines: &[&str]) -> Vec<u8> {
        let head = match &self.text {
            Some(text) => expand(text).into_bytes(),
            None => head(self.lines(lines)),
        };
        [expand(&self.before).as_bytes(), &head, &self.after].concat()
    }

    /// The start line and the fields, as a parser of heads would give them.
    fn parsed(&self, lines: &[&str]) -> (String, Vec<(String, Vec<u8>)>) {
        let mut lines = self.lines(lines).into_iter();
        let start = lines.next().expect("a start line");
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':').expect("a field");
            (name.into(), value.trim_matches([' ', '\t']).into())
        });
        (start, fields.collect())
    }
}

/// A request, and what a server must make of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerVector {
    /// The rule.
    pub id: String,
    /// What this case of it is.
    #[serde(default)]
    pub about: String,
    /// The request.
    #[serde(default)]
    pub request: Message,
    /// The pages that may connect: any, unless this says otherwise.
    origins: Option<Vec<String>>,
    #[serde(default)]
    require_origin: bool,
    /// The subprotocols that the server speaks, the best first.
    #[serde(default)]
    speaks: Vec<String>,
    /// The event: `Request` or `Failed(Method)`.
    pub event: String,
    /// How many bytes the event needs.
    decided_at: Option<usize>,
    /// The status of the answer.
    status: u16,
    /// Lines that the answer has.
    #[serde(default)]
    fields: Vec<String>,
    /// What `Sec-WebSocket-Accept` says, if it is not [`ACCEPT`].
    accept: Option<String>,
    /// The host and the path that the application sees.
    host: Option<String>,
    path: Option<String>,
    /// The subprotocols and the names of the extensions on offer, where that is
    /// what a row is about.
    #[serde(default)]
    protocols: Vec<String>,
    #[serde(default)]
    offers: Vec<String>,
    /// Whether `100 Continue` comes before the answer.
    #[serde(default)]
    continues: bool,
    /// What comes back for the connection to read.
    #[serde(default, deserialize_with = "hex::deserialize")]
    pub rest: Vec<u8>,
}

/// A response, and what a client must make of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientVector {
    /// The rule.
    pub id: String,
    /// What this case of it is.
    #[serde(default)]
    pub about: String,
    /// The response.
    #[serde(default)]
    pub response: Message,
    /// Whether nothing follows it.
    #[serde(default)]
    pub eof: bool,
    /// The subprotocols that the client offers.
    #[serde(default)]
    offers: Vec<String>,
    /// The event: `Open`, `Refused`, `Failed(Accept)`, or none.
    pub event: Option<String>,
    /// How many bytes the event needs.
    decided_at: Option<usize>,
    /// The status, header lines and body that the application sees.
    status: Option<u16>,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    is_cut: bool,
    protocol: Option<String>,
    location: Option<String>,
    /// What comes back for the connection to read.
    #[serde(default, deserialize_with = "hex::deserialize")]
    pub rest: Vec<u8>,
}

/// What a handshake came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The events, as they print.
    pub events: Vec<String>,
    /// How many bytes had been given when the last one came.
    pub decided_at: usize,
    /// What was written.
    pub output: Vec<u8>,
    /// What came back for the connection to read.
    pub rest: Vec<u8>,
}

impl ServerVector {
    /// The bytes of the request.
    pub fn input(&self) -> Vec<u8> {
        self.request.bytes(&REQUEST)
    }

    /// What the server asks for.
    pub fn options(&self) -> ServerOptions {
        let origins = match self.origins.as_deref() {
            None => Origins::Any,
            Some([only]) if only == "same host" => Origins::SameHost,
            Some(list) => Origins::List(list.into()),
        };
        let mut options = ServerOptions::new(origins);
        options.require_origin = self.require_origin;
        options
    }

    /// Runs the vector whole, byte by byte and cut at every position, and as
    /// headers that somebody else has parsed.
    ///
    /// # Panics
    ///
    /// If anything else comes of it than the row says.
    pub fn check(&self) {
        let input = self.request.bytes(&REQUEST);
        let whole = self.run(&input, Cut::Whole);
        for cut in cuts(input.len()) {
            let outcome = self.run(&input, cut);
            let case = format!("{} {} {cut:?}", self.id, self.about);
            assert_eq!(outcome.events, [self.event.as_str()], "{case}");
            assert_eq!(outcome.output, whole.output, "{case}");
            assert_eq!(outcome.rest, self.rest, "{case}");
            if let (Cut::Bytes, Some(at)) = (cut, self.decided_at) {
                assert_eq!(outcome.decided_at, at, "{case}");
            }
        }
        self.check_answer(&whole.output);
        self.check_parsed();
    }

    fn run(&self, input: &[u8], cut: Cut) -> Outcome {
        let mut handshake = ServerHandshake::new(self.options(), Instant::ZERO);
        serve(&mut handshake, &cut.chunks(input), |handshake| {
            self.accept(handshake);
        })
    }

    fn accept(&self, handshake: &mut ServerHandshake) {
        let request = handshake.request().expect("a request");
        if let Some(host) = &self.host {
            assert_eq!(request.host(), host, "{}", self.about);
        }
        if let Some(path) = &self.path {
            assert_eq!(request.path(), path, "{}", self.about);
        }
        let protocols: Vec<_> = request.protocols().collect();
        assert_eq!(protocols, self.protocols, "{}", self.about);
        let offers: Vec<_> = request.extensions().map(|offer| offer.name()).collect();
        assert_eq!(offers, self.offers, "{}", self.about);
        let response = self.response(request.select_protocol(&self.speaks()));
        handshake
            .accept(&response)
            .expect("a response that can be sent");
    }

    /// The subprotocols that the server speaks, the best first.
    pub fn speaks(&self) -> Vec<&str> {
        self.speaks.iter().map(String::as_str).collect()
    }

    fn response(&self, protocol: Option<&str>) -> Response {
        match protocol {
            Some(protocol) => Response::new().protocol(protocol),
            None => Response::new(),
        }
    }

    /// Fails the test unless these bytes are the answer that the row expects.
    ///
    /// # Panics
    ///
    /// See above.
    pub fn check_answer(&self, output: &[u8]) {
        let case = format!("{} {}", self.id, self.about);
        let mut answers = answers(output);
        let answer = answers.pop().unwrap_or_else(|| panic!("{case}: no answer"));
        assert_eq!(answer.status, self.status, "{case}");
        for line in &self.fields {
            assert!(answer.has(line), "{case}: {line} in {answer:?}");
        }
        if self.status == 101 {
            let accept = self.accept.as_deref().unwrap_or(ACCEPT);
            assert!(
                answer.has(&format!("Sec-WebSocket-Accept: {accept}")),
                "{case}"
            );
            assert!(answer.has("Upgrade: websocket"), "{case}");
            assert!(answer.has("Connection: Upgrade"), "{case}");
            assert_eq!(answer.body, b"", "{case}");
        } else {
            answer.check_refusal();
        }
        let before: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        let continues: &[u16] = if self.continues { &[100] } else { &[] };
        assert_eq!(before, continues, "{case}");
    }

    /// The rules that are about fields hold for those that were parsed before.
    fn check_parsed(&self) {
        let event = self.event.as_str();
        let is_about_bytes = event.starts_with("Failed(Head") || event == "Failed(Target)";
        if self.request.text.is_some() || is_about_bytes {
            return;
        }
        let case = format!("{} {}, parsed", self.id, self.about);
        let (start, fields) = self.request.parsed(&REQUEST);
        let (method, rest) = start.split_once(' ').expect("a request line");
        let version = match rest.rsplit_once(' ').expect("a version").1 {
            "HTTP/1.0" => HttpVersion::Http10,
            _ => HttpVersion::Http11,
        };
        let fields = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        match check_request(&self.options(), method, version, fields) {
            Ok(upgrade) => {
                assert_eq!(event, "Request", "{case}");
                let response = self.response(upgrade.select_protocol(&self.speaks()));
                let headers = upgrade.response_headers(&response).expect("a response");
                let lines: Vec<_> = headers.map(line).collect();
                for field in &self.fields {
                    assert!(lines.contains(field), "{case}: {field} in {lines:?}");
                }
                let accept = self.accept.as_deref().unwrap_or(ACCEPT);
                assert!(
                    lines.contains(&format!("Sec-WebSocket-Accept: {accept}")),
                    "{case}"
                );
                assert_eq!(upgrade.protocols(), self.protocols, "{case}");
                assert_eq!(upgrade.expects_continue(), self.continues, "{case}");
                let offers: Vec<_> = upgrade.extensions().iter().map(|it| it.name()).collect();
                assert_eq!(offers, self.offers, "{case}");
            }
            Err(refusal) => {
                assert_eq!(event, format!("Failed({refusal:?})"), "{case}");
                assert_eq!(refusal.status(), self.status, "{case}");
                let text = |(name, value): (&str, &str)| format!("{name}: {value}");
                let lines: Vec<_> = refusal.headers().map(text).collect();
                for field in &self.fields {
                    assert!(lines.contains(field), "{case}: {field} in {lines:?}");
                }
            }
        }
    }
}

impl ClientVector {
    /// The bytes of the response.
    pub fn input(&self) -> Vec<u8> {
        self.response.bytes(&RESPONSE)
    }

    /// What the client asks for.
    ///
    /// # Panics
    ///
    /// If the row offers what cannot be offered.
    pub fn request(&self) -> ClientRequest {
        let request = ClientRequest::new("h", "/ws").expect("a request");
        let offer = |request: ClientRequest, name: &String| request.protocol(name);
        self.offers.iter().try_fold(request, offer).expect("tokens")
    }

    /// Runs the vector whole, byte by byte and cut at every position, and as
    /// headers that somebody else has parsed.
    ///
    /// # Panics
    ///
    /// If anything else comes of it than the row says.
    pub fn check(&self) {
        let input = self.response.bytes(&RESPONSE);
        for cut in cuts(input.len()) {
            let mut handshake = ClientHandshake::new(self.request(), NONCE, Instant::ZERO);
            let _ = requested(&mut handshake);
            let outcome = connect(&mut handshake, &cut.chunks(&input), self.eof);
            let case = format!("{} {} {cut:?}", self.id, self.about);
            assert_eq!(outcome.events, Vec::from_iter(self.event.clone()), "{case}");
            assert_eq!(outcome.rest, self.rest, "{case}");
            if let (Cut::Bytes, Some(at)) = (cut, self.decided_at) {
                assert_eq!(outcome.decided_at, at, "{case}");
            }
            self.check_seen(handshake.response(), &case);
        }
        self.check_parsed();
    }

    /// Fails the test unless the application sees the response that the row
    /// expects.
    ///
    /// # Panics
    ///
    /// See above.
    pub fn check_seen(&self, seen: Option<&ResponseHead>, case: &str) {
        let status = seen.map(|response| response.status());
        assert_eq!(status, self.status, "{case}");
        let Some(response) = seen else {
            return;
        };
        let lines: Vec<_> = response.headers().map(line).collect();
        for field in &self.fields {
            assert!(lines.contains(field), "{case}: {field} in {lines:?}");
        }
        assert_eq!(response.body(), expand(&self.body).as_bytes(), "{case}");
        assert_eq!(response.is_cut(), self.is_cut, "{case}");
        assert_eq!(response.protocol(), self.protocol.as_deref(), "{case}");
        assert_eq!(response.location(), self.location.as_deref(), "{case}");
    }

    fn check_parsed(&self) {
        let event = self.event.as_deref().unwrap_or_default();
        let is_judged = event == "Open" || event.starts_with("Failed(");
        let is_about_bytes = event.starts_with("Failed(Head") || !self.response.before.is_empty();
        if self.response.text.is_some() || is_about_bytes || !is_judged {
            return;
        }
        let case = format!("{} {}, parsed", self.id, self.about);
        let (start, fields) = self.response.parsed(&RESPONSE);
        let (version, _) = start.split_once(' ').expect("a status line");
        let version = match version {
            "HTTP/1.0" => HttpVersion::Http10,
            _ => HttpVersion::Http11,
        };
        let fields = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        let (request, key) = (self.request(), client_key(NONCE));
        match check_response(&request, &key, version, 101, fields) {
            Ok(agreement) => {
                assert_eq!(event, "Open", "{case}");
                assert_eq!(agreement.protocol(), self.protocol.as_deref(), "{case}");
            }
            Err(violation) => assert_eq!(event, format!("Failed({violation:?})"), "{case}"),
        }
    }
}

/// The bytes of a head that consists of these lines.
pub fn head<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend_from_slice(line.as_ref().as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Gives `chunks` to a server that answers a request with `answer`, and takes
/// what it writes.
pub fn serve(
    handshake: &mut ServerHandshake,
    chunks: &[&[u8]],
    answer: impl Fn(&mut ServerHandshake),
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut given = 0;
    for chunk in chunks {
        given += chunk.len();
        let mut input = chunk.to_vec();
        let mut rest = &mut input[..];
        loop {
            let Progress { event, rest: left } = handshake.handle_input(Instant::ZERO, rest);
            rest = left;
            let Some(event) = event else {
                break;
            };
            outcome.events.push(format!("{event:?}"));
            outcome.decided_at = given;
            if event == ServerEvent::Request {
                answer(handshake);
            }
        }
        outcome.rest.extend_from_slice(rest);
        outcome.output.extend(answered(handshake));
    }
    outcome
}

/// Gives `chunks` to a client, and perhaps the end after them.
pub fn connect(handshake: &mut ClientHandshake, chunks: &[&[u8]], eof: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut given = 0;
    for chunk in chunks {
        given += chunk.len();
        let mut input = chunk.to_vec();
        let mut rest = &mut input[..];
        loop {
            let Progress { event, rest: left } = handshake.handle_input(Instant::ZERO, rest);
            rest = left;
            let Some(event) = event else {
                break;
            };
            outcome.events.push(format!("{event:?}"));
            outcome.decided_at = given;
        }
        outcome.rest.extend_from_slice(rest);
    }
    if eof {
        let event = handshake.handle_eof(Instant::ZERO);
        outcome
            .events
            .extend(event.map(|event| format!("{event:?}")));
    }
    outcome
}

/// Takes all that a server has to write.
pub fn answered(handshake: &mut ServerHandshake) -> Vec<u8> {
    let mut output = Vec::new();
    loop {
        let mut slices = [&[][..]; SLICES];
        let count = handshake.poll_transmit(&mut slices);
        let bytes = slices[..count].concat();
        if bytes.is_empty() {
            return output;
        }
        handshake.advance_transmit(bytes.len());
        output.extend(bytes);
    }
}

/// Takes all that a client has to write.
pub fn requested(handshake: &mut ClientHandshake) -> Vec<u8> {
    let mut output = Vec::new();
    loop {
        let mut slices = [&[][..]; SLICES];
        let count = handshake.poll_transmit(&mut slices);
        let bytes = slices[..count].concat();
        if bytes.is_empty() {
            return output;
        }
        handshake.advance_transmit(bytes.len());
        output.extend(bytes);
    }
}

/// A response as httparse reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The fields, as lines.
    pub lines: Vec<String>,
    /// As many bytes as `Content-Length` says.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether it has this line.
    pub fn has(&self, line: &str) -> bool {
        self.lines.iter().any(|found| found == line)
    }

    /// The one value of a field.
    ///
    /// # Panics
    ///
    /// If there are more.
    pub fn value(&self, name: &str) -> Option<&str> {
        let fields = self.lines.iter().filter_map(|line| line.split_once(": "));
        let mut values = fields.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value);
        assert!(values.next().is_none(), "one {name} in {self:?}");
        value
    }

    /// "Every non-101 answer has `Connection: close`, a correct
    /// Content-Length", and what RFC 9110 wants with the status.
    ///
    /// # Panics
    ///
    /// If it has not.
    pub fn check_refusal(&self) {
        let connection = self.value("Connection").expect("a Connection");
        let mut options = connection.split(", ");
        assert!(options.any(|option| option == "close"), "{self:?}");
        let length = self.value("Content-Length").expect("a Content-Length");
        assert_eq!(length, self.body.len().to_string(), "{self:?}");
        assert_eq!(self.value("Content-Type").is_some(), !self.body.is_empty());
        assert!(!self.has("Connection: close, Upgrade") || self.status == 426);
        if self.status == 426 {
            assert_eq!(self.value("Upgrade"), Some("websocket"));
            assert_eq!(self.value("Sec-WebSocket-Version"), Some("13"));
        }
        if self.status == 405 {
            assert_eq!(self.value("Allow"), Some("GET"));
        }
    }
}

/// The responses that `output` consists of.
///
/// # Panics
///
/// If it is anything else.
pub fn answers(mut output: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !output.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut fields);
        let parse = parsed.parse(output).expect("a response");
        assert!(parse.is_complete(), "{}", output.escape_ascii());
        let mut answer = Answer {
            status: parsed.code.expect("a status"),
            lines: parsed
                .headers
                .iter()
                .map(|it| line((it.name, it.value)))
                .collect(),
            body: Vec::new(),
        };
        let length = answer
            .value("Content-Length")
            .map(|it| it.parse().expect("a number"));
        let (_, rest) = output.split_at(parse.unwrap());
        let (body, rest) = rest.split_at(length.unwrap_or(0));
        answer.body = body.into();
        answers.push(answer);
        output = rest;
    }
    answers
}

/// A field as a line.
fn line((name, value): (&str, &[u8])) -> String {
    format!("{name}: {}", String::from_utf8_lossy(value))
}

/// `text` with what stands for something long written out.
pub fn expand(text: &str) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        expanded += before;
        let Some((what, times, after)) = repetition(after) else {
            expanded.push('<');
            rest = after;
            continue;
        };
        expanded += &what.repeat(times);
        rest = after;
    }
    expanded + rest
}

fn repetition(text: &str) -> Option<(&str, usize, &str)> {
    let (inner, after) = text.split_once('>')?;
    let (what, times) = inner.rsplit_once('*')?;
    Some((what, times.parse().ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_written_short() {
        assert_eq!(expand("a<bc*3>d<e*2>"), "abcbcbcdee");
        assert_eq!(expand("a<b>c<d*e><"), "a<b>c<d*e><");
    }

    #[test]
    fn answers_are_told_apart() {
        let output = b"HTTP/1.1 100 Continue\r\n\r\n\
            HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nab";
        let [first, second] = &answers(output)[..] else {
            panic!("two answers");
        };
        assert_eq!((first.status, second.status), (100, 400));
        assert_eq!(second.value("content-length"), Some("2"));
        assert_eq!(second.body, b"ab");
    }
}
