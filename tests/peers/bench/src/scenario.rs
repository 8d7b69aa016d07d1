//! What is measured.

use self::Does::{Broadcast, Polling, Upgrade, WebSocket};
use self::Form::{V3Binary, V3Text, V4Base64, V4Text};
use self::Way::{Decode, Encode};
use crate::payload::Payload;

/// One block of the table.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub job: Job,
}

impl Scenario {
    /// Whether it is worth a row that sockeye has its feature `simd` or not. HTTP and
    /// sessions do nothing that vectors could do.
    pub fn is_in_vectors(&self) -> bool {
        !matches!(self.job, Job::Sessions(_))
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Job {
    Decode(Payload),
    Encode(Sending),
    Echo(Echo),
    Payload(Coding),
    Sessions(Sessions),
}

/// What is sent, by whom, and how many messages between two flushes.
#[derive(Clone, Copy, Debug)]
pub struct Sending {
    pub payload: Payload,
    pub client: bool,
    pub queued: u64,
}

/// So many connections, each with so many messages in flight.
#[derive(Clone, Copy, Debug)]
pub struct Echo {
    pub payload: Payload,
    pub connections: usize,
    pub in_flight: usize,
}

/// Packets of Engine.IO with a message each, in a payload or out of it.
#[derive(Clone, Copy, Debug)]
pub struct Coding {
    pub form: Form,
    pub way: Way,
    pub data: Payload,
    pub packets: usize,
}

/// How a payload is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    V4Text,
    V4Base64,
    V3Text,
    V3Binary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Decode,
    Encode,
}

/// So many sessions of Engine.IO, each with so many messages in flight.
#[derive(Clone, Copy, Debug)]
pub struct Sessions {
    pub does: Does,
    pub payload: Payload,
    pub sessions: usize,
    pub in_flight: usize,
}

/// What sessions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// They send by WebSocket, and get it back.
    WebSocket,
    /// The same by POST and GET.
    Polling,
    /// One after the other begins by polling, and goes over to a WebSocket.
    Upgrade,
    /// Half of them by WebSocket, half by polling, get what one of them sends.
    Broadcast,
}

/// All scenarios, in the order of the table.
pub fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut add = |name, job| all.push(Scenario { name, job });
    for (name, payload) in [
        ("decode 14 B binary", Payload::Binary(14)),
        ("decode 125 B binary", Payload::Binary(125)),
        ("decode 1 KiB binary", Payload::Binary(1024)),
        ("decode 1 KiB Korean text", Payload::Korean(1024)),
        ("decode 16 KiB binary", Payload::Binary(16 << 10)),
        ("decode 1 MiB binary", Payload::Binary(1 << 20)),
    ] {
        add(name, Job::Decode(payload));
    }
    for (name, len, client, queued) in [
        ("encode server 14 B, each flushed", 14, false, 1),
        ("encode server 14 B, 32 queued", 14, false, 32),
        ("encode client 14 B", 14, true, 1),
        ("encode client 1 MiB", 1 << 20, true, 1),
    ] {
        let payload = Payload::Binary(len);
        let sending = Sending {
            payload,
            client,
            queued,
        };
        add(name, Job::Encode(sending));
    }
    for (name, payload, connections, in_flight) in [
        ("echo 1 x 1, 125 B text", Payload::Ascii(125), 1, 1),
        ("echo 100 x 1, 125 B text", Payload::Ascii(125), 100, 1),
        ("echo 100 x 16, 14 B binary", Payload::Binary(14), 100, 16),
        ("echo 100 x 16, 125 B text", Payload::Ascii(125), 100, 16),
        (
            "echo 100 x 16, 1 KiB binary",
            Payload::Binary(1024),
            100,
            16,
        ),
        (
            "echo 100 x 1, 16 KiB binary",
            Payload::Binary(16 << 10),
            100,
            1,
        ),
        ("echo 10 x 1, 1 MiB binary", Payload::Binary(1 << 20), 10, 1),
    ] {
        let echo = Echo {
            payload,
            connections,
            in_flight,
        };
        add(name, Job::Echo(echo));
    }
    for (name, form, way, data, packets) in [
        (
            "payload decode, 16 x 14 B text",
            V4Text,
            Decode,
            Payload::Ascii(14),
            16,
        ),
        (
            "payload decode, 16 x 1 KiB text",
            V4Text,
            Decode,
            Payload::Ascii(1024),
            16,
        ),
        (
            "payload decode, 16 x 125 B base64",
            V4Base64,
            Decode,
            Payload::Binary(125),
            16,
        ),
        (
            "payload decode, 1 x 64 KiB base64",
            V4Base64,
            Decode,
            Payload::Binary(64 << 10),
            1,
        ),
        (
            "payload decode, v3, 16 x 125 B text",
            V3Text,
            Decode,
            Payload::Ascii(125),
            16,
        ),
        (
            "payload decode, v3, 16 x 125 B binary",
            V3Binary,
            Decode,
            Payload::Binary(125),
            16,
        ),
        (
            "payload encode, 16 x 14 B text",
            V4Text,
            Encode,
            Payload::Ascii(14),
            16,
        ),
        (
            "payload encode, 16 x 1 KiB text",
            V4Text,
            Encode,
            Payload::Ascii(1024),
            16,
        ),
        (
            "payload encode, 16 x 125 B base64",
            V4Base64,
            Encode,
            Payload::Binary(125),
            16,
        ),
        (
            "payload encode, 1 x 64 KiB base64",
            V4Base64,
            Encode,
            Payload::Binary(64 << 10),
            1,
        ),
        (
            "payload encode, v3, 16 x 125 B text",
            V3Text,
            Encode,
            Payload::Ascii(125),
            16,
        ),
        (
            "payload encode, v3, 16 x 125 B binary",
            V3Binary,
            Encode,
            Payload::Binary(125),
            16,
        ),
    ] {
        let coding = Coding {
            form,
            way,
            data,
            packets,
        };
        add(name, Job::Payload(coding));
    }
    for (name, does, payload, sessions, in_flight) in [
        (
            "sessions 100 x 1 by WebSocket, 125 B",
            WebSocket,
            Payload::Ascii(125),
            100,
            1,
        ),
        (
            "sessions 100 x 16 by WebSocket, 125 B",
            WebSocket,
            Payload::Ascii(125),
            100,
            16,
        ),
        (
            "sessions 100 x 1 by polling, 125 B",
            Polling,
            Payload::Ascii(125),
            100,
            1,
        ),
        (
            "sessions 100 x 16 by polling, 125 B",
            Polling,
            Payload::Ascii(125),
            100,
            16,
        ),
        ("sessions upgraded", Upgrade, Payload::Ascii(125), 1, 1),
        (
            "broadcast to 1000 sessions, 125 B",
            Broadcast,
            Payload::News(125),
            1000,
            1,
        ),
    ] {
        let sessions = Sessions {
            does,
            payload,
            sessions,
            in_flight,
        };
        add(name, Job::Sessions(sessions));
    }
    all
}
