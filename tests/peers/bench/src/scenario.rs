//! What is measured.

use crate::payload::Payload;

/// One block of the table.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub job: Job,
}

#[derive(Clone, Copy, Debug)]
pub enum Job {
    Decode(Payload),
    Encode(Sending),
    Echo(Echo),
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
    all
}
