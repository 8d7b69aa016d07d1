//! Tables of vectors: files in `data/` with a `[[vector]]` for each case.
//!
//! ```toml
//! [[vector]]
//! id = "F01"                        # the rule, and the name of the test
//! about = "a frame without a mask"  # how this case differs from others of it
//! role = "server"                   # the end that is tested
//! input = "81 02 'hi'"              # the notation of `hex`
//! events = ["violation Unmasked"]   # see `event`
//! output = "88 02 03ea"             # masked frames under the key of zeros
//! decided_at = 2                    # the last event comes with this byte
//! ```
//!
//! `eof = true` ends the input, `code` is what the application sees as the close
//! code, and `config = { max_message = 4 }` departs from the defaults; see
//! [`Overrides`]. A table of another kind of row is loaded with a type of its own.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sockeye::websocket::{
    CloseCode, CloseFrame, Config, Event, Keepalive, Message, Reason, Receive, Timer, Violation,
};

use crate::cuts::{Cut, cuts};
use crate::hex::{self, hex};
use crate::trace::{self, Side, Trace};
use crate::wire;

/// One input of an open connection, and what it must bring.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// The rule.
    pub id: String,
    /// What this case of it is.
    #[serde(default)]
    pub about: String,
    /// The end that is tested.
    pub role: Side,
    /// Where the configuration is not the default.
    #[serde(default)]
    pub config: Overrides,
    /// The bytes that arrive.
    #[serde(deserialize_with = "hex::deserialize")]
    pub input: Vec<u8>,
    /// Whether nothing comes after them.
    #[serde(default)]
    pub eof: bool,
    events: Vec<String>,
    /// The bytes that are written, those of a client under the key of zeros.
    #[serde(default, deserialize_with = "hex::deserialize")]
    pub output: Vec<u8>,
    /// How many bytes of input the last event needs.
    pub decided_at: Option<usize>,
    /// The close code that the application sees.
    pub code: Option<u16>,
}

/// Settings that a vector changes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    max_message: Option<usize>,
    max_stream: Option<u64>,
    max_fragments: Option<u32>,
    auto_pong: Option<bool>,
    #[serde(default)]
    chunks: bool,
}

impl Vector {
    /// The configuration that the vector asks for. No deadline is set but that
    /// of the closing handshake.
    pub fn config(&self) -> Config {
        let mut config = Config::default();
        let Overrides {
            max_message,
            max_stream,
            max_fragments,
            auto_pong,
            chunks,
        } = self.config;
        config.max_message = max_message.unwrap_or(config.max_message);
        config.max_stream = max_stream.unwrap_or(config.max_stream);
        config.max_fragments = max_fragments.or(config.max_fragments);
        config.auto_pong = auto_pong.unwrap_or(config.auto_pong);
        if chunks {
            config.receive = Receive::Chunks;
        }
        config.keepalive = None::<Keepalive>;
        config
    }

    /// The events that are expected.
    pub fn events(&self) -> Vec<Event<'static>> {
        self.events.iter().map(|text| event(text)).collect()
    }

    /// The whole messages among them.
    pub fn messages(&self) -> Vec<Message<'static>> {
        trace::messages(&self.events())
    }

    /// How the connection has to end, if it has to.
    pub fn reason(&self) -> Option<Reason<'static>> {
        match self.events().pop() {
            Some(Event::Closed(reason)) => Some(reason),
            _ => None,
        }
    }

    /// The same input under masking keys that are not zero, if it consists of
    /// whole frames in their shortest form, and is not too long to be run twice.
    pub fn masked(&self) -> Option<Vec<u8>> {
        let (mut frames, rest) = wire::split(&self.input);
        let bytes = |frames: &[wire::Frame]| frames.iter().flat_map(wire::Frame::bytes).collect();
        let same: Vec<u8> = bytes(&frames);
        if !rest.is_empty() || same != self.input || same.len() > 4096 {
            return None;
        }
        for (n, frame) in (1..=u8::MAX).cycle().zip(&mut frames) {
            frame.key = frame.key.map(|_| [0x37, 0xfa, n, 0x3d]);
        }
        let masked = bytes(&frames);
        (masked != self.input).then_some(masked)
    }

    /// Whether messages are handed over whole.
    pub fn is_whole(&self) -> bool {
        !self.config.chunks
    }

    /// What tells this vector from the others.
    pub fn name(&self) -> String {
        format!("{} {}", self.id, self.about)
    }

    /// Fails the test unless `trace` is what the vector expects.
    ///
    /// # Panics
    ///
    /// See above.
    pub fn check(&self, trace: &Trace, how: &dyn core::fmt::Debug) {
        let name = self.name();
        assert_eq!(trace.events, self.events(), "{name}, {how:?}");
        let output = wire::plain(&trace.output);
        assert_eq!(output, self.output, "output of {name}, {how:?}");
        if let Some(code) = self.code {
            let said = trace.reason().map(Reason::code);
            assert_eq!(said, Some(code), "{name}, {how:?}");
        }
    }
}

/// Runs a vector on a bare connection, under every cut, and again under a masking
/// key that is not zero.
///
/// # Panics
///
/// If what comes is not what the vector expects.
pub fn check_connection(vector: &Vector) {
    let masked = vector.masked();
    for input in [Some(&vector.input), masked.as_ref()].into_iter().flatten() {
        for cut in cuts(input.len()) {
            let chunks = cut.chunks(input);
            let trace = trace::run(vector.role, &vector.config(), chunks, vector.eof);
            vector.check(&trace, &cut);
            if cut == Cut::Bytes && vector.decided_at.is_some() {
                assert_eq!(trace.decided_at, vector.decided_at, "{}", vector.name());
            }
        }
    }
}

/// A test for each rule of a table, named by the rule, and one that no rule was
/// forgotten: `rows! { "close", check_connection: k01 k03 k04 }`.
#[macro_export]
macro_rules! rows {
    ($table:literal, $check:path: $($row:ident)*) => {
        $(
            #[test]
            fn $row() {
                let vectors = $crate::vectors::rows($table, stringify!($row));
                assert!(!vectors.is_empty());
                vectors.iter().for_each($check);
            }
        )*

        #[test]
        fn every_rule_of_the_table_has_a_test() {
            let tested = [$(stringify!($row)),*];
            for vector in $crate::vectors::load::<$crate::vectors::Vector>($table) {
                let id = vector.id.to_lowercase();
                assert!(tested.contains(&id.as_str()), "{id}");
            }
        }
    };
}

/// The vectors of one rule, whose name may be written in small letters.
pub fn rows(table: &str, id: &str) -> Vec<Vector> {
    let mut vectors = load::<Vector>(table);
    vectors.retain(|vector| vector.id.eq_ignore_ascii_case(id));
    vectors
}

/// The vectors of open connections, of all tables.
pub fn all() -> Vec<Vector> {
    TABLES.into_iter().flat_map(load).collect()
}

/// The tables whose rows are [`Vector`]s.
pub const TABLES: [&str; 3] = ["frame", "message", "close"];

/// The rows of `data/<table>.toml`.
///
/// # Panics
///
/// If the file is missing or says something that the rows have no place for.
pub fn load<V: DeserializeOwned>(table: &str) -> Vec<V> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let path = data.join(table).with_extension("toml");
    let text = std::fs::read_to_string(&path).expect("the table is there");
    let table: Table<V> = toml::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    assert!(!table.vector.is_empty());
    table.vector
}

#[derive(Deserialize)]
struct Table<V> {
    vector: Vec<V>,
}

/// The event that `text` means.
///
/// | written | means |
/// |---|---|
/// | `text 'hi'`, `binary 00 01` | a whole message |
/// | `chunks text 'hi'`, `open binary 00` | a message in chunks, and one that does not end |
/// | `ping 'a'`, `pong` | a control frame |
/// | `closed 1000 'bye'`, `closed 1000`, `closed` | the peer's Close |
/// | `violation Unmasked` | the end for that [`Violation`] |
/// | `eof`, `timeout Close`, `no key` | the other ends |
///
/// # Panics
///
/// If it means none.
pub fn event(text: &str) -> Event<'static> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let reason = match word {
        "text" | "binary" => return Event::Message(message(text)),
        "chunks" => return chunk(rest, true),
        "open" => return chunk(rest, false),
        "ping" => return Event::Ping(hex(rest).into()),
        "pong" => return Event::Pong(hex(rest).into()),
        "closed" if rest.is_empty() => Reason::Closed(None),
        "closed" => {
            let (code, said) = rest.split_once(' ').unwrap_or((rest, ""));
            let code = code.parse().ok().and_then(CloseCode::new);
            let said = String::from_utf8(hex(said)).expect("a reason is text");
            Reason::Closed(Some(CloseFrame {
                code: code.expect("a code that can be sent"),
                reason: said.into(),
            }))
        }
        "violation" => Reason::Violation(named(&VIOLATIONS, rest)),
        "eof" => Reason::Eof,
        "timeout" => Reason::Timeout(named(&TIMERS, rest)),
        "no" => Reason::NoMaskKey,
        _ => panic!("{text:?} is no event"),
    };
    Event::Closed(reason)
}

fn message(text: &str) -> Message<'static> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    match kind {
        "text" => String::from_utf8(hex(rest)).expect("a text").into(),
        _ => hex(rest).into(),
    }
}

fn chunk(text: &str, last: bool) -> Event<'static> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    Event::Chunk(sockeye::websocket::Chunk {
        kind: message(kind).kind(),
        first: true,
        last,
        bytes: hex(rest).into(),
    })
}

fn named<T: core::fmt::Debug + Copy>(all: &[T], name: &str) -> T {
    let found = all.iter().find(|one| format!("{one:?}") == name);
    *found.unwrap_or_else(|| panic!("{name:?} is none of {all:?}"))
}

/// Every rule that a peer can break.
pub const VIOLATIONS: [Violation; 16] = [
    Violation::Unmasked,
    Violation::Masked,
    Violation::ReservedBits,
    Violation::ReservedOpcode,
    Violation::FragmentedControl,
    Violation::ControlTooLong,
    Violation::NonMinimalLength,
    Violation::LengthOverflow,
    Violation::UnexpectedContinuation,
    Violation::ExpectedContinuation,
    Violation::MessageTooBig,
    Violation::TooManyFragments,
    Violation::MessageTooSlow,
    Violation::InvalidUtf8,
    Violation::CloseLength,
    Violation::CloseCode,
];

/// Every deadline of a connection.
pub const TIMERS: [Timer; 4] = [Timer::Pong, Timer::Idle, Timer::Close, Timer::Stalled];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_as_they_are_written() {
        assert_eq!(event("text 'a b'"), Event::Message("a b".into()));
        assert_eq!(event("binary"), Event::Message(Message::from(&[])));
        assert_eq!(event("closed").clone(), Event::Closed(Reason::Closed(None)));
        assert_eq!(
            event("violation CloseCode"),
            Event::Closed(Reason::Violation(Violation::CloseCode))
        );
        let Event::Closed(reason) = event("closed 1001 'away now'") else {
            panic!("an end");
        };
        assert_eq!(reason.code(), 1001);
    }
}
