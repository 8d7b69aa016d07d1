//! Requests of Engine.IO as plain values: what they ask for, and every status,
//! field and body of the answers.
//!
//! ```toml
//! [[vector]]
//! id = "S07"
//! method = "DELETE"                         # GET unless it is said
//! query = "EIO=4&transport=polling&sid=S"   # S: the session that is there
//! fields = ["Host: a.example"]
//! options = { version_3 = true }            # see `Overrides`
//! asks = "poll"                             # or error = "Method"
//! status = 405
//! answer = ["Content-Length: 0"]            # all of the fields, in any order
//! body = ""
//! ```

use std::time::Duration;

use serde::Deserialize;
use sockeye::Kind;
use sockeye::engineio::polling::{
    Answer, Asks, Cookie, Exchange, Options, Request, RequestError, Response,
};
use sockeye::engineio::{
    Channel, Fault, Open, Packet, Payload, PayloadError, PayloadRule, Reason, Refusal, Sid,
    Transport, Transports, Version,
};
use sockeye::http::Origins;
use sockeye_tests::alloc::{Counting, Usage, measure};
use sockeye_tests::handshake::expand;
use sockeye_tests::vectors;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The session that is there.
const SID: &str = "lv_VI97HAXpY6yYWAAAC";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    id: String,
    #[serde(default)]
    about: String,
    #[serde(default)]
    options: Overrides,
    /// The version of the session.
    version: Option<u8>,
    max_payload: Option<usize>,
    method: Option<String>,
    query: String,
    #[serde(default)]
    fields: Vec<String>,
    asks: Option<String>,
    error: Option<String>,
    /// What the head of a POST says of its body.
    fault: Option<String>,
    status: Option<u16>,
    answer: Option<Vec<String>>,
    body: Option<String>,
}

/// Options that are not the defaults, for pages of the same host.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Overrides {
    #[serde(default)]
    version_3: bool,
    transports: Option<Vec<String>>,
    origins: Option<Vec<String>>,
    #[serde(default)]
    credentials: bool,
}

impl Overrides {
    fn options(&self) -> Options {
        let origins = match self.origins.as_deref() {
            None => Origins::SameHost,
            Some([any]) if any == "*" => Origins::Any,
            Some(list) => Origins::List(list.into()),
        };
        let mut options = Options::new(origins);
        options.version_3 = self.version_3;
        options.credentials = self.credentials;
        if let Some(names) = &self.transports {
            let known = names
                .iter()
                .map(|name| Transport::parse(name).expect("a transport"));
            options.transports = known.fold(Transports::NONE, Transports::with);
        }
        options
    }
}

impl Vector {
    /// What the request asks for, as a row says it, and the response if it is
    /// answered at once.
    fn run(
        &self,
    ) -> (
        Result<String, RequestError>,
        Option<Fault>,
        Option<Response>,
    ) {
        let Exchange { request, answer } = self.read();
        match request {
            Request::Preflight(response) => (Ok("preflight".into()), None, Some(response)),
            Request::Refused(error) => (Err(error), None, Some(answer.error(error))),
            Request::Open(opening) => {
                let version = opening.version.as_str();
                let text = if opening.takes == Kind::Text {
                    " base64"
                } else {
                    ""
                };
                let asks = format!("open {version} {}{text}", opening.transport.as_str());
                (Ok(asks), None, None)
            }
            Request::Session(known) => {
                if Some(*known.sid()) != Sid::parse(SID) {
                    let error = RequestError::Session;
                    return (Err(error), None, Some(answer.error(error)));
                }
                match known.check(self.version()) {
                    Ok(Asks::Poll) => (Ok("poll".into()), None, None),
                    Ok(Asks::Upgrade) => (Ok("upgrade".into()), None, None),
                    Ok(Asks::Post(post)) => {
                        let kind = format!("post {:?}", post.kind).to_lowercase();
                        let limit = self.max_payload.unwrap_or(1_000_000);
                        let fault = post.check(self.version(), limit).err();
                        let response = fault.map(|it| answer.posted(Some(it.into())));
                        (Ok(kind), fault, response)
                    }
                    Err(error) => (Err(error), None, Some(answer.error(error))),
                }
            }
        }
    }

    fn read(&self) -> Exchange {
        let query = expand(&self.query);
        let query = match query.strip_suffix("sid=S") {
            Some(before) => format!("{before}sid={SID}"),
            None => query,
        };
        let fields = self.fields.iter().map(|line| {
            let (name, value) = line.split_once(": ").expect("a field");
            (name, value.as_bytes())
        });
        let method = self.method.as_deref().unwrap_or("GET");
        self.options.options().read(method, &query, fields)
    }

    fn version(&self) -> Version {
        match self.version {
            Some(3) => Version::V3,
            _ => Version::V4,
        }
    }

    fn check(&self) {
        let case = format!("{} {} {}", self.id, self.about, self.query);
        let (asks, fault, response) = self.run();
        let error = asks.as_ref().err().map(|error| format!("{error:?}"));
        assert_eq!(asks.ok(), self.asks, "{case}");
        assert_eq!(error, self.error, "{case}");
        assert_eq!(
            fault.map(|fault| format!("{fault:?}")),
            self.fault,
            "{case}"
        );
        let status = response.as_ref().map(|response| response.status);
        assert_eq!(status, self.status, "{case}");
        let Some(response) = response else { return };
        if let Some(answer) = &self.answer {
            assert_eq!(lines(&response), sorted(answer.clone()), "{case}");
        }
        if let Some(body) = &self.body {
            assert_eq!(String::from_utf8_lossy(&response.body), *body, "{case}");
        }
        assert_is_sound(&response, &case);
    }
}

/// What holds for every response.
fn assert_is_sound(response: &Response, case: &str) {
    let len = response.body.len().to_string();
    let expected = (response.status != 204).then_some(len.as_bytes());
    assert_eq!(response.field("content-length"), expected, "{case}");
    for (name, value) in &response.fields {
        assert!(!value.iter().any(u8::is_ascii_control), "{case}: {name}");
    }
    let is_json = response.field("Content-Type") == Some(b"application/json");
    if is_json {
        let body: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        assert!(
            body["code"].is_u64() && body["message"].is_string(),
            "{case}"
        );
    }
}

fn lines(response: &Response) -> Vec<String> {
    let fields = response.fields.iter();
    let lines = fields.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)));
    sorted(lines.collect())
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn requests_are_what_the_table_says() {
    for vector in vectors::load::<Vector>("engineio_http") {
        vector.check();
    }
}

/// The answer to a GET without fields.
fn answer(options: &Options) -> Answer {
    let none = std::iter::empty();
    options.read("GET", "EIO=4&transport=polling", none).answer
}

fn payload(version: Version, packets: &[Packet<'_>]) -> Payload {
    let mut payload = Payload::new(version, Kind::Binary);
    for packet in packets {
        payload.push(packet).expect("no separator");
    }
    payload
}

/// The packet that opens the session that is there.
fn open(upgrades: Transports) -> Packet<'static> {
    let open = Open {
        sid: SID.into(),
        upgrades,
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(20),
        max_payload: Some(1_000_000),
    };
    Packet::Open(open.to_json().into())
}

/// Vectors 6.4 H1, H2 and H13.
#[test]
fn a_session_is_opened_with_or_without_a_cookie() {
    let sid = Sid::parse(SID).expect("a name");
    let websocket = Transports::NONE.with(Transport::WebSocket);
    let mut options = Options::new(Origins::SameHost);
    let opened = answer(&options).opened(&options, &sid, payload(Version::V4, &[open(websocket)]));
    let plain = [
        "Cache-Control: no-store",
        "Content-Length: 118",
        "Content-Type: text/plain; charset=UTF-8",
    ];
    assert_eq!(
        (opened.status, lines(&opened)),
        (200, plain.map(String::from).into())
    );
    let body = format!(
        "0{{\"sid\":\"{SID}\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\
         \"pingTimeout\":20000,\"maxPayload\":1000000}}"
    );
    assert_eq!(String::from_utf8_lossy(&opened.body), body);

    options.cookie = Some(Cookie::new("io").expect("a token"));
    let packets = [open(Transports::NONE), Packet::Message("hi".into())];
    let opened = answer(&options).opened(&options, &sid, payload(Version::V4, &packets));
    let cookie = format!("io={SID}; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(opened.field("set-cookie"), Some(cookie.as_bytes()));
    assert!(opened.body.ends_with(b"\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}\x1e4hi"));
    // Later answers have none.
    let polled = answer(&options).polled(payload(Version::V4, &[Packet::Noop]));
    assert_eq!(polled.field("set-cookie"), None);
    let shown = format!("{opened:?} {:?} {options:?}", answer(&options));
    assert!(!shown.contains(SID), "{shown}");
}

/// Vector 6.8 V19.
#[test]
fn binary_payloads_have_a_type_of_their_own() {
    let options = Options::new(Origins::Any);
    let binary = Packet::Message((&[1]).into());
    for (version, packet, content_type) in [
        (Version::V3, binary.clone(), "application/octet-stream"),
        (Version::V3, Packet::Noop, "text/plain; charset=UTF-8"),
        (Version::V4, binary, "text/plain; charset=UTF-8"),
    ] {
        let polled = answer(&options).polled(payload(version, &[packet]));
        assert_eq!(polled.field("content-type"), Some(content_type.as_bytes()));
        assert_eq!(polled.field("access-control-allow-origin"), Some(&b"*"[..]));
    }
}

/// Vector 6.4 H17.
#[test]
fn a_post_is_answered_by_what_came_of_it() {
    let answer = answer(&Options::new(Origins::SameHost));
    let ok = [
        "Cache-Control: no-store",
        "Content-Length: 2",
        "Content-Type: text/html",
    ];
    for end in [None, Some(Reason::Peer), Some(Reason::Forced)] {
        let posted = answer.posted(end);
        assert_eq!((posted.status, &posted.body[..]), (200, &b"ok"[..]));
        assert_eq!(lines(&posted), ok.map(String::from));
    }
    let rule = PayloadRule::TooMany;
    for (reason, status) in [
        (Fault::Payload(PayloadError { offset: 0, rule }).into(), 400),
        (Fault::ContentType.into(), 400),
        (Fault::TooLarge { limit: 1, size: 2 }.into(), 413),
        (Fault::TooSlow.into(), 408),
        (Reason::Overlap(Channel::Post), 400),
    ] {
        let posted = answer.posted(Some(reason));
        assert_eq!((posted.status, posted.body.len()), (status, 0), "{reason}");
        assert_eq!(lines(&posted), ["Content-Length: 0"]);
    }
}

#[test]
fn a_session_that_takes_no_channel_says_why() {
    let answer = answer(&Options::new(Origins::SameHost));
    for (refusal, body) in [
        (
            Refusal::Closed,
            "{\"code\":1,\"message\":\"Session ID unknown\"}",
        ),
        (
            Refusal::Transport,
            "{\"code\":3,\"message\":\"Bad request\"}",
        ),
        (Refusal::Upgrade, "{\"code\":3,\"message\":\"Bad request\"}"),
        (Refusal::Overlap, ""),
    ] {
        let refused = answer.refused(refusal);
        assert_eq!((refused.status, &refused.body[..]), (400, body.as_bytes()));
        assert_is_sound(&refused, body);
    }
}

/// Vector 6.4 H11.
#[test]
fn s26_the_application_refuses_in_its_own_words() {
    let options = Options::new(Origins::SameHost);
    let forbidden = answer(&options).forbidden("nope");
    assert_eq!(forbidden.status, 403);
    assert_eq!(forbidden.body, b"{\"code\":4,\"message\":\"nope\"}");
    let odd = answer(&options).forbidden("\"\\\r\n\0</script>\u{20ac}");
    assert_is_sound(&odd, "forbidden");
    let body: serde_json::Value = serde_json::from_slice(&odd.body).expect("JSON");
    assert_eq!(body["message"], "\"\\\r\n\0</script>\u{20ac}");

    let upgrade = [("upgrade", &b"websocket"[..])].into_iter();
    let exchange = options.read("GET", "EIO=4&transport=websocket", upgrade);
    let forbidden = exchange.answer.forbidden("nope");
    assert_eq!((forbidden.status, &forbidden.body[..]), (400, &b"nope"[..]));
}

#[test]
fn there_may_be_no_room() {
    let full = answer(&Options::new(Origins::Any)).unavailable(Duration::from_secs(5));
    assert_eq!(
        (full.status, full.field("retry-after")),
        (503, Some(&b"5"[..]))
    );
    assert_is_sound(&full, "unavailable");
}

#[test]
fn a_request_is_judged_without_an_allocation() {
    let options = Options::new(Origins::SameHost);
    let query = format!("EIO=4&transport=polling&sid={SID}&t=x");
    let fields = [
        ("host", "a.example"),
        ("content-length", "5"),
        ("accept", "*/*"),
    ];
    let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
    let (exchange, usage) = measure(|| options.read("POST", &query, fields));
    let Request::Session(known) = exchange.request else {
        panic!("{:?}", exchange.request);
    };
    assert!(matches!(known.check(Version::V4), Ok(Asks::Post(_))));
    assert_eq!(usage, Usage::default());
}
