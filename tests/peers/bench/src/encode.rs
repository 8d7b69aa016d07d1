//! Encoding in memory: messages to a transport that takes every byte.

use std::hint::black_box;
use std::io::Write;

use sockeye::Instant;
use sockeye::websocket::{Config, Connection, Role, SLICES};

use crate::decode::Run;
use crate::scenario::Sending;
use crate::tape::Tape;
use crate::{floor, keys};

/// Who encodes, in the order of the table.
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

/// An encoder. It is given the payload in the form that costs it least.
pub fn subject(name: &str, sending: Sending) -> Run {
    let payload: &'static [u8] = sending.payload.bytes().leak();
    match name {
        "copy" => copy(sending, payload),
        "floor" => least(sending, payload),
        "sockeye" => sockeye(sending, payload),
        #[cfg(feature = "peers")]
        _ => peers::subject(name, sending, payload),
        #[cfg(not(feature = "peers"))]
        _ => panic!("{name} is not in this build"),
    }
}

/// Only a copy of the payload, and the write.
fn copy(sending: Sending, payload: &'static [u8]) -> Run {
    let mut tape = Tape::default();
    let mut out = Vec::with_capacity(payload.len() * sending.queued as usize);
    Box::new(move |n| {
        for _ in 0..n / sending.queued {
            for _ in 0..sending.queued {
                out.extend_from_slice(black_box(payload));
            }
            let _ = tape.write(&out);
            out.clear();
        }
        n
    })
}

fn least(sending: Sending, payload: &'static [u8]) -> Run {
    let mut tape = Tape::default();
    let mut out = Vec::new();
    Box::new(move |n| {
        for _ in 0..n / sending.queued {
            for _ in 0..sending.queued {
                let payload = black_box(payload);
                let key = sending.client.then(|| keys::fresh().expect("a key"));
                floor::encode_head(false, key, payload.len(), &mut out);
                match key {
                    Some(key) => floor::mask_into(key, payload, &mut out),
                    None => out.extend_from_slice(payload),
                }
            }
            let _ = tape.write(&out);
            out.clear();
        }
        n
    })
}

fn sockeye(sending: Sending, payload: &'static [u8]) -> Run {
    let role = match sending.client {
        true => Role::Client(sockeye_tokio::mask_keys()),
        false => Role::Server,
    };
    let mut connection = Connection::new(role, Config::default(), Instant::ZERO);
    let mut tape = Tape::default();
    Box::new(move |n| {
        for _ in 0..n / sending.queued {
            for _ in 0..sending.queued {
                let sent = connection.send(black_box(payload));
                sent.expect("there is room");
            }
            while connection.has_output() {
                let mut slices = [&[][..]; SLICES];
                let used = connection.poll_transmit(&mut slices);
                let mut written = 0;
                for slice in &slices[..used] {
                    written += tape.write(slice).expect("a tape has no errors");
                }
                connection.advance_transmit(written);
            }
        }
        n
    })
}

#[cfg(feature = "peers")]
mod peers {
    use fastwebsockets::{Frame, Payload};
    use futures_util::SinkExt;
    use tungstenite::protocol::Role;
    use tungstenite::{Bytes, Message};

    use super::{Run, Sending, black_box};
    use crate::now;
    use crate::tape::Tape;

    pub(super) fn subject(name: &str, sending: Sending, payload: &'static [u8]) -> Run {
        match name {
            "tungstenite" => tungstenite(sending, payload),
            "tokio-tungstenite" => tokio_tungstenite(sending, payload),
            "fastwebsockets" => fastwebsockets(sending, payload),
            "tokio-websockets" => tokio_websockets(sending, payload),
            _ => panic!("there is no {name}"),
        }
    }

    fn role(sending: Sending) -> Role {
        match sending.client {
            true => Role::Client,
            false => Role::Server,
        }
    }

    fn tungstenite(sending: Sending, payload: &'static [u8]) -> Run {
        let tape = Tape::default();
        let mut socket = tungstenite::WebSocket::from_raw_socket(tape, role(sending), None);
        Box::new(move |n| {
            for _ in 0..n / sending.queued {
                for _ in 0..sending.queued {
                    let payload = Bytes::from_static(black_box(payload));
                    socket
                        .write(Message::Binary(payload))
                        .expect("there is room");
                }
                socket.flush().expect("a tape has no errors");
            }
            n
        })
    }

    fn tokio_tungstenite(sending: Sending, payload: &'static [u8]) -> Run {
        let (tape, role) = (Tape::default(), role(sending));
        let socket = tokio_tungstenite::WebSocketStream::from_raw_socket(tape, role, None);
        let mut socket = now(socket);
        Box::new(move |n| {
            now(async {
                for _ in 0..n / sending.queued {
                    for _ in 0..sending.queued {
                        let payload = Bytes::from_static(black_box(payload));
                        let fed = socket.feed(Message::Binary(payload)).await;
                        fed.expect("there is room");
                    }
                    socket.flush().await.expect("a tape has no errors");
                }
            });
            n
        })
    }

    /// It writes each frame at once.
    fn fastwebsockets(sending: Sending, payload: &'static [u8]) -> Run {
        let role = match sending.client {
            true => fastwebsockets::Role::Client,
            false => fastwebsockets::Role::Server,
        };
        let tape = Tape::default();
        let mut socket = fastwebsockets::WebSocket::after_handshake(tape, role);
        Box::new(move |n| {
            now(async {
                for _ in 0..n {
                    let payload = Payload::Borrowed(black_box(payload));
                    let written = socket.write_frame(Frame::binary(payload)).await;
                    written.expect("a tape has no errors");
                }
            });
            n
        })
    }

    fn tokio_websockets(sending: Sending, payload: &'static [u8]) -> Run {
        let tape = Tape::default();
        let mut socket = match sending.client {
            true => tokio_websockets::ClientBuilder::new().take_over(tape),
            false => tokio_websockets::ServerBuilder::new().serve(tape),
        };
        Box::new(move |n| {
            now(async {
                for _ in 0..n / sending.queued {
                    for _ in 0..sending.queued {
                        let payload = black_box(payload);
                        let fed = socket
                            .feed(tokio_websockets::Message::binary(payload))
                            .await;
                        fed.expect("there is room");
                    }
                    socket.flush().await.expect("a tape has no errors");
                }
            });
            n
        })
    }
}
