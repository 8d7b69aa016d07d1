//! Commands to output: RFC 6455 section 6.1.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use bytes::Bytes;

use super::{Connection, Sending};
use crate::outbox::{OutputBuffer, SLICES, Slot};
use crate::utf8::Utf8;
use crate::websocket::close::MAX_REASON;
use crate::websocket::frame::{Header, MAX_CONTROL, MAX_HEADER};
use crate::websocket::{CloseCode, Kind, Mask, Message, Opcode, Role, SendError};

/// Sending.
impl Connection {
    /// Sends a message.
    ///
    /// Text, bytes, a [`Message`] or a reference to one. An owned payload of
    /// more than 4 KiB is not copied.
    ///
    /// # Errors
    ///
    /// [`Closing`](SendError::Closing), [`Full`](SendError::Full),
    /// [`Unfinished`](SendError::Unfinished) or
    /// [`NoMaskKey`](SendError::NoMaskKey); nothing was queued then.
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        let opcode = message.kind().opcode();
        self.may_send_whole()?;
        match message.into_bytes() {
            Cow::Owned(bytes) if bytes.len() > COPIED => self.send_owned(opcode, bytes),
            bytes => self.send_frame(true, opcode, &bytes),
        }
    }

    /// Sends a binary message whose payload is shared with others. A server does
    /// not copy it if it has more than 4 KiB.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_bytes(&mut self, payload: Bytes) -> Result<(), SendError> {
        self.may_send_whole()?;
        match &self.role {
            Role::Server if payload.len() > COPIED => {
                self.share(Header::new(Opcode::Binary, payload.len() as u64), payload);
                Ok(())
            }
            _ => self.send_frame(true, Opcode::Binary, &payload),
        }
    }

    /// Begins a message that is sent in parts, each a frame (section 5.4).
    ///
    /// # Errors
    ///
    /// [`Closing`](SendError::Closing) or [`Unfinished`](SendError::Unfinished).
    pub fn start(&mut self, kind: Kind) -> Result<(), SendError> {
        self.may_send_whole().or_else(|error| match error {
            SendError::Full => Ok(()),
            error => Err(error),
        })?;
        self.sending = Sending::Begun(kind);
        Ok(())
    }

    /// Sends a part of the message that [`start`](Self::start) began. The last
    /// one has `fin`. Text may be cut inside a code point.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), [`NotStarted`](SendError::NotStarted) and
    /// [`InvalidUtf8`](SendError::InvalidUtf8).
    pub fn part(&mut self, payload: &[u8], fin: bool) -> Result<(), SendError> {
        self.may_send()?;
        let (kind, mut utf8, opcode) = match self.sending {
            Sending::Whole => return Err(SendError::NotStarted),
            Sending::Begun(kind) => (kind, Utf8::default(), kind.opcode()),
            Sending::Parts(kind, utf8) => (kind, utf8, Opcode::Continuation),
        };
        if kind == Kind::Text {
            utf8.push(payload).map_err(|_| SendError::InvalidUtf8)?;
            if fin && !utf8.is_complete() {
                return Err(SendError::InvalidUtf8);
            }
        }
        self.send_frame(fin, opcode, payload)?;
        self.sending = match fin {
            true => Sending::Whole,
            false => Sending::Parts(kind, utf8),
        };
        Ok(())
    }

    /// Sends a ping of at most 125 bytes.
    ///
    /// # Errors
    ///
    /// [`Full`](SendError::Full) while an earlier one waits to be written, and
    /// [`ControlTooLong`](SendError::ControlTooLong),
    /// [`Closing`](SendError::Closing), [`NoMaskKey`](SendError::NoMaskKey).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.may_send_control(payload)?;
        if self.outbox.holds(Slot::Ping) {
            return Err(SendError::Full);
        }
        self.send_control(Slot::Ping, payload)
    }

    /// Sends a pong of at most 125 bytes, in the place of one that waits.
    ///
    /// # Errors
    ///
    /// As [`ping`](Self::ping), but never [`Full`](SendError::Full).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.may_send_control(payload)?;
        self.send_control(Slot::Pong, payload)
    }

    /// Begins the closing handshake, behind what is queued already.
    ///
    /// Messages still arrive until the peer answers. Does nothing, and succeeds,
    /// if the connection is closing or closed.
    ///
    /// # Errors
    ///
    /// [`ReasonTooLong`](SendError::ReasonTooLong) beyond 123 bytes, and
    /// [`NoMaskKey`](SendError::NoMaskKey).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        if reason.len() > MAX_REASON {
            return Err(SendError::ReasonTooLong);
        }
        if !self.state.is_open() {
            return Ok(());
        }
        self.queue_close(Some(code), reason)?;
        self.state.close();
        Ok(())
    }

    /// What to write next: fills `out` from the front and returns how many
    /// slices there are, none if there is nothing to write.
    ///
    /// Call no other method before [`advance_transmit`](Self::advance_transmit).
    #[inline]
    pub fn poll_transmit<'a>(&'a mut self, out: &mut [&'a [u8]; SLICES]) -> usize {
        self.outbox.slices(out)
    }

    /// What [`poll_transmit`](Self::poll_transmit) gives, if it is one slice of
    /// small frames, as nearly always.
    #[inline]
    pub(crate) fn run_to_transmit(&self) -> Option<&[u8]> {
        self.outbox.run()
    }

    /// The transport took the first `n` bytes of the slices.
    #[inline]
    pub fn advance_transmit(&mut self, n: usize) {
        let _ = self.advance_outbox(n);
    }

    /// As [`advance_transmit`](Self::advance_transmit), and the storage of a large
    /// message that is written now serves the next one that is received.
    #[inline]
    pub(crate) fn advance_and_reuse(&mut self, n: usize) {
        let payload = self.advance_outbox(n);
        if let Some(payload) = payload.filter(|it| it.len() > LARGE && it.is_unique()) {
            self.spare = payload.into();
        }
    }

    #[inline]
    fn advance_outbox(&mut self, n: usize) -> Option<Bytes> {
        if n == 0 {
            return None;
        }
        self.liveness.written();
        self.stats.bytes_out = self.stats.bytes_out.wrapping_add(n as u64);
        self.outbox.advance(n)
    }

    /// Lends storage for output, until [`reclaim_output`](Self::reclaim_output).
    /// It comes back at once if output waits already.
    #[inline]
    pub fn lend_output(&mut self, buffer: OutputBuffer) -> Option<OutputBuffer> {
        self.outbox.lend(buffer)
    }

    /// Takes back what was lent. Output that still waits is moved into storage
    /// of its own.
    #[inline]
    pub fn reclaim_output(&mut self) -> Option<OutputBuffer> {
        self.outbox.reclaim()
    }

    /// Whether a ping or a pong waits, which should be offered to the transport
    /// before the next step over the input: the next ping's pong takes its place.
    pub fn is_urgent(&self) -> bool {
        self.outbox.is_urgent()
    }

    /// Whether something urgent waits, or `cork` bytes and more.
    #[inline]
    pub(crate) fn wants_write(&self, cork: usize) -> bool {
        self.outbox.queued() >= cork || self.outbox.is_urgent()
    }

    /// Whether a ping of the application's waits to be written.
    #[cfg(feature = "std")]
    pub(crate) fn has_ping(&self) -> bool {
        self.outbox.holds(Slot::Ping)
    }

    /// Whether no message in parts is unfinished.
    #[cfg(feature = "std")]
    pub(crate) fn is_between_messages(&self) -> bool {
        self.sending == Sending::Whole
    }

    /// Whether anything waits to be written.
    #[inline]
    pub fn has_output(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// How many bytes of messages wait to be written.
    pub fn buffered_amount(&self) -> usize {
        self.outbox.queued()
    }
}

impl Connection {
    #[inline]
    fn may_send(&self) -> Result<(), SendError> {
        if !self.state.is_open() {
            Err(SendError::Closing)
        } else if !self.has_room() {
            Err(SendError::Full)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn may_send_whole(&self) -> Result<(), SendError> {
        match self.sending {
            Sending::Whole => self.may_send(),
            _ if !self.state.is_open() => Err(SendError::Closing),
            _ => Err(SendError::Unfinished),
        }
    }

    fn may_send_control(&self, payload: &[u8]) -> Result<(), SendError> {
        if !self.state.is_open() {
            Err(SendError::Closing)
        } else if payload.len() > MAX_CONTROL {
            Err(SendError::ControlTooLong)
        } else {
            Ok(())
        }
    }

    /// The header with a fresh key where one is needed: section 5.3.
    #[inline]
    fn header(&mut self, opcode: Opcode, len: usize) -> Result<Header, SendError> {
        let header = Header::new(opcode, len as u64);
        match &mut self.role {
            Role::Server => Ok(header),
            Role::Client(source) => {
                let key = source.key().ok_or(SendError::NoMaskKey)?;
                Ok(header.masked(key))
            }
        }
    }

    /// Sends a whole message, which is UTF-8 if it is text: the caller knows.
    pub(crate) fn send_checked(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SendError> {
        self.may_send_whole()?;
        self.send_frame(true, kind.opcode(), payload)
    }

    /// Queues a frame with a payload that has to be copied.
    #[inline]
    fn send_frame(&mut self, fin: bool, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        let header = Header {
            fin,
            ..self.header(opcode, payload.len())?
        };
        if payload.len() > LARGE {
            let mut copy = self.storage_for(payload.len());
            append(header.mask, payload, &mut copy);
            self.share(header, copy.into());
            return Ok(());
        }
        self.stats.frames_out = self.stats.frames_out.wrapping_add(1);
        self.outbox.copy(|out| {
            header.append(out);
            append(header.mask, payload, out);
        });
        Ok(())
    }

    /// Empty storage: what was left over, if it is of about this size.
    fn storage_for(&mut self, len: usize) -> Vec<u8> {
        let capacity = self.spare.capacity();
        if capacity < len || capacity / 2 > len {
            return Vec::with_capacity(len);
        }
        let mut storage = core::mem::take(&mut self.spare);
        storage.clear();
        storage
    }

    /// Queues a message whose storage is ours now.
    fn send_owned(&mut self, opcode: Opcode, mut payload: Vec<u8>) -> Result<(), SendError> {
        let header = self.header(opcode, payload.len())?;
        if let Some(key) = header.mask {
            Mask::new(key).apply(&mut payload);
        }
        self.share(header, payload.into());
        Ok(())
    }

    fn share(&mut self, header: Header, payload: Bytes) {
        self.stats.frames_out = self.stats.frames_out.wrapping_add(1);
        self.outbox
            .share(header.encode(&mut [0; MAX_HEADER]), payload);
    }

    pub(super) fn send_control(&mut self, slot: Slot, payload: &[u8]) -> Result<(), SendError> {
        let opcode = match slot {
            Slot::Pong => Opcode::Pong,
            Slot::Ping | Slot::Keepalive => Opcode::Ping,
            Slot::Close => Opcode::Close,
        };
        let header = self.header(opcode, payload.len())?;
        let mut masked = [0; MAX_CONTROL];
        let masked = masked.get_mut(..payload.len()).unwrap_or_default();
        masked.copy_from_slice(payload);
        if let Some(key) = header.mask {
            Mask::new(key).apply(masked);
        }
        let mut bytes = [0; MAX_HEADER];
        self.outbox
            .control(slot, [header.encode(&mut bytes), masked]);
        self.stats.frames_out = self.stats.frames_out.wrapping_add(1);
        Ok(())
    }

    pub(super) fn queue_close(
        &mut self,
        code: Option<CloseCode>,
        reason: &str,
    ) -> Result<(), SendError> {
        let mut payload = [0; MAX_CONTROL];
        let code = code.map(|code| code.get().to_be_bytes());
        let said = code.iter().flatten().chain(reason.as_bytes());
        let mut len = 0;
        for (slot, byte) in payload.iter_mut().zip(said) {
            *slot = *byte;
            len += 1;
        }
        self.send_control(Slot::Close, payload.get(..len).unwrap_or_default())
    }
}

/// Appends a payload, masked where there is a key.
#[inline(always)]
fn append(key: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    match key {
        Some(key) => Mask::new(key).append(payload, out),
        None => out.extend_from_slice(payload),
    }
}

/// Owned and shared payloads up to this size are copied, so that they go out in
/// one run with their neighbours.
const COPIED: usize = 4 * 1024;

/// Borrowed payloads above this size get storage of their own.
const LARGE: usize = crate::outbox::SEGMENT;
