//! What a reader makes of a stream.

use std::io::{self, Read, Write};

use sockeye::websocket::{Config, Connection, Event, MaskSource, Message, Reason, Role, Violation};
use sockeye::{Instant, Progress};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, WebSocket};

use crate::stream::{MAX_MESSAGE, Reader, Stream};

/// The messages, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub messages: Vec<Message<'static>>,
    pub end: End,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The input ended, and no Close had come.
    Eof,
    /// A Close came.
    Closed,
    /// A rule was broken: 1002.
    Protocol,
    /// Text was not UTF-8: 1007.
    Utf8,
    /// A message was too big: 1009.
    Size,
}

/// What sockeye makes of it.
pub fn sockeye(stream: &Stream) -> Outcome {
    let mut config = Config::default();
    config.max_message = MAX_MESSAGE;
    let role = match stream.reader {
        Reader::Server => Role::Server,
        Reader::Client => Role::Client(MaskSource::from_fn(|| Some([1, 2, 3, 4]))),
    };
    let now = Instant::ZERO;
    let mut connection = Connection::new(role, config, now);
    let mut messages = Vec::new();
    for piece in stream.pieces() {
        let mut piece = piece.to_vec();
        let mut input = &mut piece[..];
        loop {
            let Progress { event, rest } = connection.handle_input(now, input);
            input = rest;
            match event {
                Some(Event::Message(message)) => messages.push(message.into_owned()),
                Some(Event::Closed(reason)) => {
                    let end = end(reason);
                    return Outcome { messages, end };
                }
                Some(_) => {}
                None => break,
            }
            // The transport takes everything at once.
            let waiting = {
                let mut slices = [&[][..]; sockeye::websocket::SLICES];
                let n = connection.poll_transmit(&mut slices);
                slices[..n].iter().map(|slice| slice.len()).sum()
            };
            connection.advance_transmit(waiting);
        }
        assert!(input.is_empty(), "output is always taken, so input is too");
    }
    Outcome {
        messages,
        end: End::Eof,
    }
}

fn end(reason: Reason<'_>) -> End {
    match reason {
        Reason::Closed(_) => End::Closed,
        Reason::Violation(Violation::InvalidUtf8) => End::Utf8,
        Reason::Violation(violation) => match violation.close_code().get() {
            1007 => End::Utf8,
            1009 => End::Size,
            _ => End::Protocol,
        },
        reason => panic!("no reason for {reason:?}"),
    }
}

/// What tungstenite makes of it.
pub fn tungstenite(stream: &Stream) -> Outcome {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let role = match stream.reader {
        Reader::Server => tungstenite::protocol::Role::Server,
        Reader::Client => tungstenite::protocol::Role::Client,
    };
    let pieces: Vec<Vec<u8>> = stream.pieces().map(<[u8]>::to_vec).collect();
    let pieces = Pieces(pieces.into_iter(), Vec::new());
    let mut socket = WebSocket::from_raw_socket(pieces, role, Some(config));
    let mut messages = Vec::new();
    let end = loop {
        match socket.read() {
            Ok(tungstenite::Message::Text(text)) => {
                messages.push(Message::from(text.to_string()));
            }
            Ok(tungstenite::Message::Binary(bytes)) => {
                messages.push(Message::from(bytes.to_vec()));
            }
            Ok(tungstenite::Message::Close(_)) => break End::Closed,
            Ok(_) => {}
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => break End::Eof,
            Err(Error::Protocol(_)) => break End::Protocol,
            Err(Error::Utf8(_)) => break End::Utf8,
            Err(Error::Capacity(_)) => break End::Size,
            Err(error) => panic!("no end for {error:?}"),
        }
    };
    Outcome { messages, end }
}

/// A transport that gives the pieces one by one, and takes everything.
struct Pieces(std::vec::IntoIter<Vec<u8>>, Vec<u8>);

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.1.is_empty() {
            self.1 = self.0.next().unwrap_or_default();
        }
        let n = buf.len().min(self.1.len());
        for (slot, byte) in buf.iter_mut().zip(self.1.drain(..n)) {
            *slot = byte;
        }
        Ok(n)
    }
}

impl Write for Pieces {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
