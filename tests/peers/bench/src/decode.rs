//! Decoding in memory: a server reads masked frames.

use sockeye::websocket::{Config, Connection, Event, Role};
use sockeye::{Instant, Progress};
use std::io::Read;

use crate::floor;
use crate::tape::{READ, Tape};

/// Handles at least so many messages, and says how many.
pub type Run = Box<dyn FnMut(u64) -> u64>;

/// Who decodes, in the order of the table.
pub const SUBJECTS: &[&str] = &[
    "copy",
    "floor",
    "sockeye",
    #[cfg(feature = "peers")]
    "tungstenite",
    #[cfg(feature = "peers")]
    "tokio-tungstenite",
    #[cfg(feature = "peers")]
    "fastwebsockets",
    #[cfg(feature = "peers")]
    "tokio-websockets",
];

/// A decoder that shows each payload to `see`. `frame` is the length of a frame
/// on the tape.
pub fn subject(name: &str, tape: Tape, frame: usize, see: impl FnMut(&[u8]) + 'static) -> Run {
    match name {
        "copy" => copy(tape, frame),
        "floor" => least(tape, frame, see),
        "sockeye" => sockeye(tape, see),
        #[cfg(feature = "peers")]
        _ => peers::subject(name, tape, see),
        #[cfg(not(feature = "peers"))]
        _ => panic!("{name} is not in this build"),
    }
}

/// Only the reads.
fn copy(mut tape: Tape, frame: usize) -> Run {
    let mut buffer = vec![0; READ];
    Box::new(move |n| {
        let mut bytes = 0;
        while bytes < n * frame as u64 {
            bytes += tape.read(&mut buffer).expect("a tape has no errors") as u64;
            std::hint::black_box(&mut buffer);
        }
        bytes / frame as u64
    })
}

fn least(mut tape: Tape, frame: usize, mut see: impl FnMut(&[u8]) + 'static) -> Run {
    let mut buffer = vec![0; READ + frame];
    let mut filled = 0;
    Box::new(move |n| {
        let mut seen = 0;
        while seen < n {
            let room = &mut buffer[filled..];
            filled += tape.read(room).expect("a tape has no errors");
            let mut at = 0;
            while let Some(head) = floor::head(&buffer[at..filled]) {
                if filled - at < head.end {
                    break;
                }
                see(floor::open(head, &mut buffer[at..at + head.end]));
                at += head.end;
                seen += 1;
            }
            buffer.copy_within(at..filled, 0);
            filled -= at;
        }
        seen
    })
}

fn sockeye(mut tape: Tape, mut see: impl FnMut(&[u8]) + 'static) -> Run {
    /// What is read into a message directly, at the least.
    const DIRECT: usize = 16 * 1024;
    let now = Instant::ZERO;
    let mut connection = Connection::new(Role::Server, Config::default(), now);
    let mut buffer = vec![0; READ];
    Box::new(move |n| {
        let mut seen = 0;
        while seen < n {
            if let Some(space) = connection.input_space(DIRECT) {
                let read = tape.read(space).expect("a tape has no errors");
                if let Some(Event::Message(message)) = connection.input_filled(now, read) {
                    see(message.as_bytes());
                    connection.reuse(message);
                    seen += 1;
                }
                continue;
            }
            let read = tape.read(&mut buffer).expect("a tape has no errors");
            let mut input = &mut buffer[..read];
            loop {
                let Progress { event, rest } = connection.handle_input(now, input);
                match event {
                    Some(Event::Message(message)) => {
                        see(message.as_bytes());
                        connection.reuse(message);
                        seen += 1;
                    }
                    Some(event) => panic!("{event:?}"),
                    None => break,
                }
                input = rest;
            }
        }
        seen
    })
}

#[cfg(feature = "peers")]
mod peers {
    use fastwebsockets::FragmentCollector;
    use futures_util::StreamExt;
    use tokio_tungstenite::WebSocketStream;
    use tungstenite::protocol::WebSocketConfig;

    use super::Run;
    use crate::now;
    use crate::tape::{READ, Tape};

    pub(super) fn subject(name: &str, tape: Tape, see: impl FnMut(&[u8]) + 'static) -> Run {
        match name {
            "tungstenite" => tungstenite(tape, see),
            "tokio-tungstenite" => tokio_tungstenite(tape, see),
            "fastwebsockets" => fastwebsockets(tape, see),
            "tokio-websockets" => tokio_websockets(tape, see),
            _ => panic!("there is no {name}"),
        }
    }

    fn config() -> WebSocketConfig {
        WebSocketConfig::default().read_buffer_size(READ)
    }

    fn tungstenite(tape: Tape, mut see: impl FnMut(&[u8]) + 'static) -> Run {
        let role = tungstenite::protocol::Role::Server;
        let mut socket = tungstenite::WebSocket::from_raw_socket(tape, role, Some(config()));
        Box::new(move |n| {
            for _ in 0..n {
                match socket.read().expect("the frames are valid") {
                    tungstenite::Message::Text(text) => see(text.as_bytes()),
                    tungstenite::Message::Binary(bytes) => see(&bytes),
                    message => panic!("{message:?}"),
                }
            }
            n
        })
    }

    fn tokio_tungstenite(tape: Tape, mut see: impl FnMut(&[u8]) + 'static) -> Run {
        let role = tungstenite::protocol::Role::Server;
        let mut socket = now(WebSocketStream::from_raw_socket(tape, role, Some(config())));
        Box::new(move |n| {
            now(async {
                for _ in 0..n {
                    match socket.next().await.expect("endless").expect("valid") {
                        tungstenite::Message::Text(text) => see(text.as_bytes()),
                        tungstenite::Message::Binary(bytes) => see(&bytes),
                        message => panic!("{message:?}"),
                    }
                }
            });
            n
        })
    }

    fn fastwebsockets(tape: Tape, mut see: impl FnMut(&[u8]) + 'static) -> Run {
        let role = fastwebsockets::Role::Server;
        let socket = fastwebsockets::WebSocket::after_handshake(tape, role);
        let mut socket = FragmentCollector::new(socket);
        Box::new(move |n| {
            now(async {
                for _ in 0..n {
                    see(&socket.read_frame().await.expect("valid").payload);
                }
            });
            n
        })
    }

    fn tokio_websockets(tape: Tape, mut see: impl FnMut(&[u8]) + 'static) -> Run {
        let mut socket = tokio_websockets::ServerBuilder::new().serve(tape);
        Box::new(move |n| {
            now(async {
                for _ in 0..n {
                    see(socket
                        .next()
                        .await
                        .expect("endless")
                        .expect("valid")
                        .as_payload());
                }
            });
            n
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Payload;

    #[test]
    fn every_subject_sees_the_payload() {
        for payload in [
            Payload::Korean(1024),
            Payload::Binary(14),
            Payload::Binary(100_000),
        ] {
            let tape = Tape::new(payload.masked(3));
            let frame = payload.masked(1).len();
            for name in SUBJECTS.iter().filter(|name| **name != "copy") {
                let expected = payload.bytes();
                let see = move |bytes: &[u8]| assert!(bytes == expected);
                assert!(subject(name, tape.clone(), frame, see)(10) >= 10);
            }
        }
    }
}
