//! What is asked of whoever holds the pump.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

use super::wakers::Wait;
use crate::websocket::{CloseCode, Connection, Message, SendError};

/// The commands that nobody has carried out yet, and what the last holder saw of
/// the connection.
#[derive(Debug, Default)]
pub(super) struct Queue {
    commands: VecDeque<Command<'static>>,
    /// Payload bytes in `commands`.
    bytes: usize,
    limit: usize,
    /// Whether anything came that no holder has seen.
    unseen: bool,
    receiver: Half,
    /// Why nothing more is taken.
    refused: Option<SendError>,
    /// Whether commands were dropped because the connection had ended.
    lost: bool,
    seen: Seen,
}

/// Whether the receiver is still there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Half {
    #[default]
    There,
    Gone,
}

/// How things stood when the pump was last let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whether the connection has ended.
    pub(super) over: bool,
    /// Whether it takes commands.
    pub(super) open: bool,
    /// Whether a message in parts is being sent.
    pub(super) unfinished: bool,
    /// Whether a ping waits to be written.
    pub(super) ping: bool,
    /// Whether output of any kind does, or did when the connection was dropped.
    pub(super) output: bool,
    /// Payload bytes that do.
    pub(super) buffered: usize,
}

impl Queue {
    pub(super) fn new(limit: usize, seen: Seen) -> Self {
        Self {
            limit: limit.max(1),
            refused: (!seen.open).then_some(SendError::Closing),
            seen,
            ..Self::default()
        }
    }

    /// Payload bytes that are not written.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.saturating_add(self.seen.buffered)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    pub(super) fn is_written(&self) -> bool {
        self.is_empty() && !self.seen.output && !self.lost
    }

    pub(super) fn is_over(&self) -> bool {
        self.seen.over
    }

    /// Why nothing more is taken.
    pub(super) fn refused(&self) -> Option<SendError> {
        self.refused
    }

    /// Whether a sender waits no longer.
    pub(super) fn has_come(&self, wait: Wait) -> bool {
        match wait {
            Wait::Room => self.waiting() < self.limit || self.refused.is_some(),
            Wait::Written => self.is_written() || self.is_over(),
            Wait::Over => self.is_over(),
        }
    }

    /// Something waits for the next holder.
    pub(super) fn mark_unseen(&mut self) {
        self.unseen = true;
    }

    pub(super) fn is_unseen(&self) -> bool {
        self.unseen
    }

    /// The receiver is gone, and the transport goes when the rest was looked at.
    pub(super) fn abandon(&mut self) {
        let close = Command::Close(CloseCode::GOING_AWAY, String::new());
        // Refused where the connection is closing anyway.
        let _ = self.push(&mut Some(close));
        self.receiver = Half::Gone;
        self.unseen = true;
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.receiver == Half::Gone && !self.unseen
    }

    /// Takes a command, or leaves it where it cannot be.
    pub(super) fn push(&mut self, command: &mut Option<Command<'_>>) -> Result<(), SendError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let Some(command) = command.take_if(|command| self.refuses(command).is_none()) else {
            let error = command.as_ref().and_then(|command| self.refuses(command));
            return Err(error.unwrap_or(SendError::Closing));
        };
        if let Command::Close(..) = command {
            self.refused = Some(SendError::Closing);
        }
        self.bytes = self.bytes.saturating_add(command.len());
        self.commands.push_back(command.into_owned());
        self.unseen = true;
        Ok(())
    }

    fn refuses(&self, command: &Command<'_>) -> Option<SendError> {
        let pings = || self.commands.iter().any(Command::is_ping);
        match command {
            Command::Message(_) | Command::Bytes(_) if self.seen.unfinished => {
                Some(SendError::Unfinished)
            }
            Command::Message(_) | Command::Bytes(_) => {
                (self.waiting() >= self.limit).then_some(SendError::Full)
            }
            Command::Ping(_) => (self.seen.ping || pings()).then_some(SendError::Full),
            Command::Close(..) => None,
        }
    }

    /// Hands the commands over, as far as the connection takes them.
    pub(super) fn empty_into(&mut self, connection: &mut Connection) {
        self.unseen = false;
        while let Some(command) = self.commands.pop_front() {
            if command.waits_for(connection).is_some() {
                self.commands.push_front(command);
                break;
            }
            self.bytes = self.bytes.saturating_sub(command.len());
            match command.apply(connection) {
                // A ping, and an earlier one is on its way.
                Ok(()) | Err(SendError::Full) => {}
                Err(error) => {
                    self.refused.get_or_insert(error);
                }
            }
        }
        // Nobody may find it in neither place while the pump is held.
        self.seen.buffered = connection.buffered_amount();
        self.seen.output |= connection.has_output();
        self.seen.ping |= connection.has_ping();
    }

    /// Notes how things stand, and whether the commands that wait could go on.
    pub(super) fn look(&mut self, seen: Seen, connection: &Connection) {
        self.note(seen);
        let next = self.commands.front();
        self.unseen |= next.is_some_and(|next| next.waits_for(connection).is_none());
    }

    /// There is no connection any more.
    pub(super) fn end(&mut self) {
        self.note(Seen {
            over: true,
            output: self.seen.output,
            ..Seen::default()
        });
        self.unseen = false;
    }

    fn note(&mut self, seen: Seen) {
        self.seen = seen;
        if !seen.open {
            self.refused.get_or_insert(SendError::Closing);
        }
        if seen.over {
            self.lost |= !self.is_empty();
            self.commands.clear();
            self.bytes = 0;
        }
    }
}

/// What a sender asks for.
#[derive(Debug)]
pub(super) enum Command<'m> {
    Message(Message<'m>),
    Bytes(Bytes),
    Ping(Vec<u8>),
    Close(CloseCode, String),
}

impl Command<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Message(message) => message.as_bytes().len(),
            Self::Bytes(payload) => payload.len(),
            Self::Ping(_) | Self::Close(..) => 0,
        }
    }

    fn is_ping(&self) -> bool {
        matches!(self, Self::Ping(_))
    }

    /// Why the connection does not take it yet.
    pub(super) fn waits_for(&self, connection: &Connection) -> Option<SendError> {
        let is_message = matches!(self, Self::Message(_) | Self::Bytes(_));
        if !is_message || !connection.is_open() {
            return None;
        }
        if !connection.is_between_messages() {
            return Some(SendError::Unfinished);
        }
        (!connection.has_room()).then_some(SendError::Full)
    }

    fn into_owned(self) -> Command<'static> {
        match self {
            Self::Message(message) => Command::Message(message.into_owned()),
            Self::Bytes(payload) => Command::Bytes(payload),
            Self::Ping(payload) => Command::Ping(payload),
            Self::Close(code, reason) => Command::Close(code, reason),
        }
    }

    pub(super) fn apply(self, connection: &mut Connection) -> Result<(), SendError> {
        match self {
            Self::Message(message) => connection.send(message),
            Self::Bytes(payload) => connection.send_bytes(payload),
            Self::Ping(payload) => connection.ping(&payload),
            Self::Close(code, reason) => connection.close(code, &reason),
        }
    }
}
