//! What a server says of a new session: the data of an open packet.
//!
//! ```text
//! {"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],
//!  "pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
//! ```
//!
//! Engine.IO protocol, "Handshake".

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::{self, Write};
use core::time::Duration;

use super::json::{Json, JsonError, push_string};
use super::{Transport, Transports};

/// What a server says of a new session.
///
/// ```
/// use core::time::Duration;
/// use sockeye::engineio::{Open, Transport};
///
/// let open = Open::parse(
///     r#"{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}"#,
/// )?;
/// assert!(open.upgrades.contains(Transport::WebSocket));
/// assert_eq!(open.ping_interval, Duration::from_secs(25));
/// assert_eq!(open.max_payload, None);
/// # Ok::<_, sockeye::engineio::OpenError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Open<'a> {
    /// The name of the session, which the client sends with every request. A
    /// secret, and so not shown by `Debug`.
    pub sid: Cow<'a, str>,
    /// The transports that the client may go over to.
    pub upgrades: Transports,
    /// How long the end that pings waits before it does.
    pub ping_interval: Duration,
    /// How long it waits for the pong.
    pub ping_timeout: Duration,
    /// The most bytes that the server takes in one payload or message. Servers
    /// of version 3 may leave it out.
    pub max_payload: Option<u64>,
}

impl<'a> Open<'a> {
    /// Reads the data of an open packet. Members with unknown names, and
    /// transports with unknown names, are passed over.
    ///
    /// # Errors
    ///
    /// The rule that the server broke.
    pub fn parse(text: &'a str) -> Result<Self, OpenError> {
        if text.len() > MAX_OPEN {
            return Err(OpenError::TooLong);
        }
        let mut json = Json::new(text);
        let members = Members::read(&mut json)?;
        if json.peek().is_some() {
            return Err(OpenError::Json);
        }
        Ok(Self {
            sid: members.sid.ok_or(OpenError::Sid)?,
            upgrades: members.upgrades.unwrap_or(Transports::NONE),
            ping_interval: members.ping_interval.ok_or(OpenError::PingInterval)?,
            ping_timeout: members.ping_timeout.ok_or(OpenError::PingTimeout)?,
            max_payload: members.max_payload.flatten(),
        })
    }

    /// The data of an open packet, with the members in the order in which the
    /// protocol lists them.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{\"sid\":");
        push_string(&mut out, &self.sid);
        out.push_str(",\"upgrades\":[");
        for (n, transport) in self.upgrades.iter().enumerate() {
            out.push_str(if n > 0 { "," } else { "" });
            push_string(&mut out, transport.as_str());
        }
        out.push(']');
        let numbers = [
            ("pingInterval", Some(self.ping_interval.as_millis())),
            ("pingTimeout", Some(self.ping_timeout.as_millis())),
            ("maxPayload", self.max_payload.map(u128::from)),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                // Writing to a string does not fail.
                let _ = write!(out, ",\"{name}\":{number}");
            }
        }
        out.push('}');
        out
    }

    /// The same with storage of its own.
    pub fn into_owned(self) -> Open<'static> {
        Open {
            sid: Cow::Owned(self.sid.into_owned()),
            ..self
        }
    }
}

impl fmt::Debug for Open<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open")
            .field("upgrades", &self.upgrades)
            .field("ping_interval", &self.ping_interval)
            .field("ping_timeout", &self.ping_timeout)
            .field("max_payload", &self.max_payload)
            .finish_non_exhaustive()
    }
}

/// The members that were found.
#[derive(Default)]
struct Members<'a> {
    sid: Option<Cow<'a, str>>,
    upgrades: Option<Transports>,
    ping_interval: Option<Duration>,
    ping_timeout: Option<Duration>,
    max_payload: Option<Option<u64>>,
}

impl<'a> Members<'a> {
    fn read(json: &mut Json<'a>) -> Result<Self, OpenError> {
        let mut members = Self::default();
        json.expect("{")?;
        if json.take("}") {
            return Ok(members);
        }
        loop {
            match &*json.name()? {
                "sid" => once(&mut members.sid, sid(json)?),
                "upgrades" => once(&mut members.upgrades, upgrades(json)?),
                "pingInterval" => {
                    let interval = duration(json, OpenError::PingInterval)?;
                    once(&mut members.ping_interval, interval)
                }
                "pingTimeout" => {
                    let timeout = duration(json, OpenError::PingTimeout)?;
                    once(&mut members.ping_timeout, timeout)
                }
                "maxPayload" => once(&mut members.max_payload, max_payload(json)?),
                _ => Ok(json.skip()?),
            }?;
            if !json.take(",") {
                json.expect("}")?;
                return Ok(members);
            }
        }
    }
}

/// RFC 8259 section 4: "When the names within an object are not unique, the
/// behavior of software that receives such an object is unpredictable."
fn once<T>(member: &mut Option<T>, value: T) -> Result<(), OpenError> {
    match member.replace(value) {
        None => Ok(()),
        Some(_) => Err(OpenError::Repeated),
    }
}

fn sid<'a>(json: &mut Json<'a>) -> Result<Cow<'a, str>, OpenError> {
    if json.peek() != Some(b'"') {
        return Err(OpenError::Sid);
    }
    let sid = json.string()?;
    match sid.len() {
        1..=MAX_SID => Ok(sid),
        _ => Err(OpenError::Sid),
    }
}

fn upgrades(json: &mut Json<'_>) -> Result<Transports, OpenError> {
    if !json.take("[") {
        return Err(OpenError::Upgrades);
    }
    let mut upgrades = Transports::NONE;
    if json.take("]") {
        return Ok(upgrades);
    }
    loop {
        if json.peek() == Some(b'"') {
            if let Some(transport) = Transport::parse(&json.string()?) {
                upgrades = upgrades.with(transport);
            }
        } else {
            json.skip()?;
        }
        if !json.take(",") {
            json.expect("]")?;
            return Ok(upgrades);
        }
    }
}

/// A number of milliseconds that a timer can wait for.
fn duration(json: &mut Json<'_>, error: OpenError) -> Result<Duration, OpenError> {
    match integer(json) {
        Some(millis @ 1..=MAX_MILLIS) => Ok(Duration::from_millis(millis)),
        _ => Err(error),
    }
}

/// The limit, or none if the server has none, which it may write as `null`.
fn max_payload(json: &mut Json<'_>) -> Result<Option<u64>, OpenError> {
    if json.take("null") {
        return Ok(None);
    }
    integer(json).map(Some).ok_or(OpenError::MaxPayload)
}

/// A number that is not negative, without its fraction. JSON does not tell
/// integers from others, so `2.5e4` is as good as `25000`.
fn integer(json: &mut Json<'_>) -> Option<u64> {
    let number = json.number().ok()?;
    let parse = |number: f64| (number.is_finite() && number >= 0.0).then_some(number as u64);
    let integer = number.parse().ok();
    integer.or_else(|| number.parse().ok().and_then(parse))
}

/// The rule that an open packet breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is longer than 512 KiB.
    #[error("open packet is too long")]
    TooLong,
    /// It is not an object in JSON, or something follows it.
    #[error("open packet is no JSON object")]
    Json,
    /// It is nested more than 64 deep.
    #[error("open packet is nested too deep")]
    Depth,
    /// A member that is needed once is there twice.
    #[error("open packet repeats itself")]
    Repeated,
    /// The name of the session is missing, empty, longer than 256 bytes, or no
    /// string.
    #[error("name of the session is missing or malformed")]
    Sid,
    /// The upgrades are no array.
    #[error("upgrades are malformed")]
    Upgrades,
    /// The ping interval is missing, or not between a millisecond and 2^31.
    #[error("ping interval is missing or out of range")]
    PingInterval,
    /// The ping timeout is missing, or not between a millisecond and 2^31.
    #[error("ping timeout is missing or out of range")]
    PingTimeout,
    /// The limit of payloads is no number, or a negative one.
    #[error("limit of payloads is malformed")]
    MaxPayload,
}

impl From<JsonError> for OpenError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Malformed => Self::Json,
            JsonError::Depth => Self::Depth,
        }
    }
}

/// More than any server has to say.
const MAX_OPEN: usize = 1 << 19;
/// The longest name that a client keeps and sends back.
const MAX_SID: usize = 256;
/// As long as the timers of browsers can wait.
const MAX_MILLIS: u64 = i32::MAX as u64;
