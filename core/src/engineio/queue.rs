//! Messages that wait to be sent, and how much may wait.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

use super::payload::find_separator;
use super::{QueueLimits, Version};
use crate::{Kind, Message, utf8};

/// A message in the form in which sessions keep it until it is sent.
///
/// Clones share its bytes, so one can wait in many sessions at once.
///
/// ```
/// use sockeye::Message;
/// use sockeye::engineio::Prepared;
///
/// let news = Prepared::new("hi, all");
/// assert_eq!(news.message(), Message::from("hi, all"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Prepared {
    kind: Kind,
    /// A text behind the digit of its type, as a WebSocket carries it; of a binary
    /// message the bytes alone.
    bytes: Bytes,
    has_separator: bool,
}

impl Prepared {
    /// Copies what is borrowed.
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        match message.into() {
            Message::Binary(bytes) => Self::binary(bytes.into_owned().into()),
            Message::Text(text) => {
                let mut bytes = Vec::with_capacity(1 + text.len());
                bytes.push(b'4');
                bytes.extend_from_slice(text.as_bytes());
                Self {
                    kind: Kind::Text,
                    has_separator: find_separator(&bytes).is_some(),
                    bytes: bytes.into(),
                }
            }
        }
    }

    /// A binary message whose bytes are shared with others already.
    pub fn binary(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Binary,
            bytes,
            has_separator: false,
        }
    }

    /// The message.
    pub fn message(&self) -> Message<'_> {
        match self.kind {
            Kind::Binary => Message::from(&*self.bytes),
            // It came from a `str`.
            Kind::Text => Message::from(utf8::validate(self.payload()).unwrap_or_default()),
        }
    }

    /// How many bytes the message has.
    pub fn len(&self) -> usize {
        self.payload().len()
    }

    /// Whether the message has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it would come apart in a payload of this version: text is not
    /// escaped there, and U+001E stands between packets.
    pub(super) fn is_cut_by_polling(&self, version: Version) -> bool {
        version == Version::V4 && self.has_separator
    }

    /// The text as a binary message.
    pub(super) fn into_binary(self) -> Self {
        match self.kind {
            Kind::Binary => self,
            Kind::Text => Self::binary(self.bytes.slice(1.min(self.bytes.len())..)),
        }
    }

    fn payload(&self) -> &[u8] {
        match self.kind {
            Kind::Binary => &self.bytes,
            Kind::Text => self.bytes.get(1..).unwrap_or_default(),
        }
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.message(), f)
    }
}

/// The queue of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Queue {
    messages: VecDeque<Prepared>,
    /// Of the messages together.
    bytes: usize,
    /// The message that was taken last, from which the caller may still borrow.
    taken: Option<Prepared>,
}

impl Queue {
    /// Whether less waits than the limits say.
    pub(super) fn has_room(&self, limits: &QueueLimits) -> bool {
        // One message can always wait, whatever the limits.
        self.bytes < limits.bytes.max(1) && self.messages.len() < limits.messages.max(1)
    }

    /// Adds a message at the end.
    pub(super) fn push(&mut self, message: Prepared) {
        self.bytes = self.bytes.saturating_add(message.len());
        self.messages.push_back(message);
    }

    /// The message that is next.
    pub(super) fn front(&self) -> Option<&Prepared> {
        self.messages.front()
    }

    /// Takes the message that is next. It is kept until another is taken, or
    /// until [`release`](Self::release).
    pub(super) fn pop(&mut self) -> Option<&Prepared> {
        self.taken = self.messages.pop_front();
        let taken = self.taken.as_ref()?;
        self.bytes = self.bytes.saturating_sub(taken.len());
        Some(taken)
    }

    /// Frees what is no longer borrowed; an empty queue has no storage.
    pub(super) fn release(&mut self) {
        self.taken = None;
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// How many bytes they have together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn messages_come_out_as_they_went_in() {
        let mut queue = Queue::default();
        let messages = [
            Message::from(""),
            Message::from("\u{20ac}"),
            Message::from(&[0xff; 3]),
            Message::from(&[]),
        ];
        for message in &messages {
            queue.push(Prepared::new(message));
        }
        assert_eq!((queue.len(), queue.bytes()), (4, 6));
        for message in &messages {
            let next = queue.front().cloned().unwrap();
            assert_eq!(next.message(), *message);
            assert_eq!(format!("{next:?}"), format!("{message:?}"));
            assert_eq!(queue.pop(), Some(&next));
        }
        assert!(queue.pop().is_none() && queue.is_empty());
        queue.release();
        assert_eq!(queue, Queue::default());
        assert_eq!(queue.messages.capacity(), 0);
    }

    #[test]
    fn clones_share_their_bytes() {
        let message = Prepared::new("abc");
        let address = |message: &Prepared| message.bytes.as_ptr();
        assert_eq!(address(&message), address(&message.clone()));
        let bytes = Bytes::from_static(b"abc");
        assert_eq!(
            Prepared::binary(bytes.clone()).bytes.as_ptr(),
            bytes.as_ptr()
        );
    }

    #[test]
    fn p16_a_separator_is_seen_in_text_alone() {
        let text = Prepared::new("a\x1e1");
        assert!(text.is_cut_by_polling(Version::V4));
        assert!(
            !text.is_cut_by_polling(Version::V3),
            "lengths stand before packets"
        );
        assert!(!Prepared::new("a1").is_cut_by_polling(Version::V4));
        assert!(!Prepared::new(b"a\x1e1").is_cut_by_polling(Version::V4));
        let binary = text.into_binary();
        assert_eq!(binary, Prepared::new(b"a\x1e1"));
        assert!(!binary.is_cut_by_polling(Version::V4));
    }
}
