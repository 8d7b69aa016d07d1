//! The half that sends.

use alloc::sync::Arc;
use bytes::Bytes;
use core::fmt;
use core::future::poll_fn;

#[cfg(doc)]
use super::WebSocket;
use super::queue::Command;
use super::shared::Shared;
use super::wakers::Wait;
use crate::driver::Io;
use crate::websocket::{CloseCode, MAX_CONTROL, MAX_REASON, Message, SendError};

/// The sending half of a WebSocket: [`WebSocket::split`]. It can be cloned, and
/// used from any thread, also while a handler of the
/// [`Receiver`](super::Receiver) runs.
///
/// Its errors say only that a message was not queued; how the connection ended
/// is told by the receiver. A sender does not read: a peer whose receiver is
/// not polled gets no answer to its pings.
pub struct Sender<I: Io>(pub(super) Arc<Shared<I>>);

impl<I: Io> Clone for Sender<I> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I: Io> fmt::Debug for Sender<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<I: Io> Sender<I> {
    /// Sends a message: text, bytes, a [`Message`] or a reference to one.
    ///
    /// Waits while as much is queued as
    /// [`Config::max_outgoing`](crate::websocket::Config::max_outgoing) allows.
    /// Returns when the message is queued. It is written at once if the
    /// transport takes it, and otherwise while any half is polled; see
    /// [`flush`](Self::flush). Messages that are sent while a handler of the
    /// [`Receiver`](super::Receiver) runs go out with its replies.
    ///
    /// # Errors
    ///
    /// [`Closing`](SendError::Closing) when the connection is, and
    /// [`Unfinished`](SendError::Unfinished) while a handler of the receiver
    /// sends a message in parts.
    ///
    /// # Cancel safety
    ///
    /// Safe: the message is queued exactly when this returns `Ok`.
    pub async fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.queue(Command::Message(message.into())).await
    }

    /// Sends a binary message whose payload is shared, without a copy if it is large.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_bytes(&self, payload: Bytes) -> Result<(), SendError> {
        self.queue(Command::Bytes(payload)).await
    }

    /// Sends a message, unless it would have to wait.
    ///
    /// # Errors
    ///
    /// [`Full`](SendError::Full) where [`send`](Self::send) would wait, and its
    /// errors.
    pub fn try_send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.0.send(&mut Some(Command::Message(message.into())))
    }

    /// Sends a ping of at most 125 bytes.
    ///
    /// # Errors
    ///
    /// [`ControlTooLong`](SendError::ControlTooLong),
    /// [`Closing`](SendError::Closing), and [`Full`](SendError::Full) while an
    /// earlier ping waits to be written.
    pub fn ping(&self, payload: &[u8]) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL {
            return Err(SendError::ControlTooLong);
        }
        self.0.send(&mut Some(Command::Ping(payload.into())))
    }

    /// Waits until nothing is queued any more, and writes meanwhile.
    ///
    /// # Errors
    ///
    /// [`Closing`](SendError::Closing) if the connection ended before.
    ///
    /// # Cancel safety
    ///
    /// Safe: what is not written stays queued.
    pub async fn flush(&self) -> Result<(), SendError> {
        let mut place = self.0.place(Wait::Written);
        poll_fn(|cx| {
            self.0.poll(cx, &mut place, |queue| {
                let written = queue.is_written();
                (written || queue.is_over()).then_some(match written {
                    true => Ok(()),
                    false => Err(SendError::Closing),
                })
            })
        })
        .await
    }

    /// Closes the connection behind what is queued, and waits until it is
    /// closed: for the answer of the peer, which the receiver has to be polled
    /// for, or for [`Config::close_timeout`](crate::websocket::Config::close_timeout).
    ///
    /// # Errors
    ///
    /// [`ReasonTooLong`](SendError::ReasonTooLong) beyond 123 bytes. Closing
    /// what is closed is no error.
    ///
    /// # Cancel safety
    ///
    /// Safe: call it again, or [`closed`](Self::closed), to go on waiting.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.start_close(code, reason)?;
        self.closed().await;
        Ok(())
    }

    /// Begins the closing handshake: [`close`](Self::close) without waiting.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close).
    pub fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        if reason.len() > MAX_REASON {
            return Err(SendError::ReasonTooLong);
        }
        let close = Command::Close(code, reason.into());
        match self.0.send(&mut Some(close)) {
            Err(SendError::Closing) => Ok(()),
            sent => sent,
        }
    }

    /// Waits until the connection is closed, by whichever end.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn closed(&self) {
        let mut place = self.0.place(Wait::Over);
        poll_fn(|cx| {
            self.0
                .poll(cx, &mut place, |queue| queue.is_over().then_some(()))
        })
        .await;
    }

    /// Whether the connection takes no more messages.
    pub fn is_closed(&self) -> bool {
        self.0.queue().refused().is_some()
    }

    /// How many bytes of messages are queued and not written.
    pub fn buffered_amount(&self) -> usize {
        self.0.queue().waiting()
    }

    async fn queue(&self, command: Command<'_>) -> Result<(), SendError> {
        let mut command = Some(command);
        match self.0.send(&mut command) {
            Err(SendError::Full) => {}
            sent => return sent,
        }
        let mut place = self.0.place(Wait::Room);
        let pushed = poll_fn(|cx| {
            self.0
                .poll(cx, &mut place, |queue| match queue.push(&mut command) {
                    Err(SendError::Full) => None,
                    pushed => Some(pushed),
                })
        });
        pushed.await?;
        self.0.settle();
        Ok(())
    }
}
