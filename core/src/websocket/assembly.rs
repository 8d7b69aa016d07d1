//! From frames to messages: RFC 6455 section 5.4.
//!
//! A message that is handed over whole is collected here, unless all of it lies
//! in one input. One that is handed over in chunks only leaves its counts.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::decoder::{End, Piece};
use super::{Chunk, Config, Event, Header, Kind, Message, Opcode, Receive, Violation};
use crate::utf8::{self, Utf8};

/// The message that is arriving, if one is.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    body: Body,
    /// Frames so far.
    fragments: u32,
    /// Payload bytes that the frames so far announced.
    announced: u64,
    /// The most bytes that the message can have: what was announced if its last
    /// frame has begun, and the limit before that.
    most: usize,
}

#[derive(Debug, Default)]
enum Body {
    #[default]
    None,
    Text {
        text: String,
        utf8: Utf8,
    },
    /// `bytes` beyond `filled` are room for a direct read.
    Binary {
        bytes: Vec<u8>,
        filled: usize,
    },
    Chunks {
        kind: Kind,
        utf8: Utf8,
        first: bool,
    },
    /// A text in chunks that is not UTF-8 behind what was handed over.
    Broken,
}

impl Assembly {
    /// Whether a message has begun and not ended.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.body, Body::None)
    }

    /// Whether the open message can only end in a violation, and all before it
    /// was handed over.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.body, Body::Broken)
    }

    /// How the open message is handed over.
    pub(super) fn receive(&self) -> Option<Receive> {
        match self.body {
            Body::None => None,
            Body::Text { .. } | Body::Binary { .. } => Some(Receive::Messages),
            Body::Chunks { .. } | Body::Broken => Some(Receive::Chunks),
        }
    }

    /// The payload bytes that the open message has announced.
    pub(super) fn announced(&self) -> u64 {
        self.announced
    }

    /// A data frame begins; `receive` counts if a message begins with it.
    pub(super) fn begin(
        &mut self,
        header: &Header,
        receive: Receive,
        config: &Config,
    ) -> Result<(), Violation> {
        let kind = match header.opcode {
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
            _ => None,
        };
        if let Some(kind) = kind {
            *self = Self {
                body: Body::new(kind, receive),
                ..Self::default()
            };
        }
        if self.fragments >= config.max_fragments(self.receive().unwrap_or(receive)) {
            return Err(Violation::TooManyFragments);
        }
        self.fragments += 1;
        self.announced = self.announced.saturating_add(header.len);
        self.most = match header.fin {
            true => usize::try_from(self.announced).unwrap_or(usize::MAX),
            false => config.max_message,
        };
        Ok(())
    }

    /// Payload has come. What has to be collected may go into `spare`.
    pub(super) fn push<'i>(
        &mut self,
        piece: Piece<'i>,
        spare: &mut Vec<u8>,
    ) -> Result<Option<Event<'i>>, Violation> {
        let whole = piece.whole && self.fragments == 1;
        let last = piece.end == End::Message;
        match &mut self.body {
            Body::None | Body::Broken => return Ok(None),
            Body::Chunks { kind, utf8, first } => {
                let (bytes, sound) = match kind {
                    Kind::Text => possible(utf8, piece.bytes, last),
                    Kind::Binary => (piece.bytes, true),
                };
                match (bytes.is_empty(), sound) {
                    (true, false) => return Err(Violation::InvalidUtf8),
                    (true, true) if !last => return Ok(None),
                    _ => {}
                }
                let chunk = Chunk {
                    kind: *kind,
                    first: core::mem::take(first),
                    last: last && sound,
                    bytes: Cow::Borrowed(bytes),
                };
                match sound {
                    true => self.end_if(last),
                    false => self.body = Body::Broken,
                }
                return Ok(Some(Event::Chunk(chunk)));
            }
            Body::Text { .. } if whole => {
                let text = utf8::validate(piece.bytes).map_err(|_| Violation::InvalidUtf8)?;
                self.end_if(true);
                return Ok(Some(Event::Message(text.into())));
            }
            Body::Text { text, utf8 } => {
                let valid = utf8.push(piece.bytes).map_err(|_| Violation::InvalidUtf8)?;
                if last && !utf8.is_complete() {
                    return Err(Violation::InvalidUtf8);
                }
                let head = valid.head.map_or(0, char::len_utf8);
                let more = head + valid.body.len();
                text.reserve_exact(room(text.capacity(), text.len(), more, self.most));
                text.extend(valid.head);
                text.push_str(valid.body);
            }
            Body::Binary { .. } if whole => {
                self.end_if(true);
                return Ok(Some(Event::Message(piece.bytes.into())));
            }
            Body::Binary { bytes, filled } => {
                // What is kept must not hold on to much more than itself.
                let fits = self.announced == self.most as u64 && spare.capacity() / 2 <= self.most;
                if *filled == 0 && bytes.is_empty() && fits {
                    *bytes = core::mem::take(spare);
                }
                fill(bytes, *filled, piece.bytes, self.most);
                *filled += piece.bytes.len();
            }
        }
        Ok(last.then(|| Event::Message(self.take())))
    }

    /// Room for up to `left` bytes more of a binary message, and for at most as
    /// many as have arrived. `None` where `least` bytes are too many for that.
    pub(super) fn space(&mut self, least: usize, left: u64) -> Option<&mut [u8]> {
        let Body::Binary { bytes, filled } = &mut self.body else {
            return None;
        };
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        if left.min(*filled) < least.max(1) {
            return None;
        }
        // Crumbs that a short read left are not worth a read of their own.
        if bytes.len() - *filled < least {
            let more = left.min(*filled);
            bytes.reserve_exact(room(bytes.capacity(), *filled, more, self.most));
            bytes.resize(*filled + more, 0);
        }
        let end = bytes.len().min(filled.saturating_add(left));
        bytes.get_mut(*filled..end)
    }

    /// The first `n` bytes of that room.
    pub(super) fn filled(&mut self, n: usize) -> &mut [u8] {
        match &mut self.body {
            Body::Binary { bytes, filled } => {
                let end = filled.saturating_add(n).min(bytes.len());
                bytes.get_mut(*filled..end).unwrap_or_default()
            }
            _ => &mut [],
        }
    }

    /// `n` bytes of that room hold payload.
    pub(super) fn advance(&mut self, n: usize, end: End) -> Option<Event<'static>> {
        if let Body::Binary { bytes, filled } = &mut self.body {
            *filled = filled.saturating_add(n).min(bytes.len());
        }
        (end == End::Message).then(|| Event::Message(self.take()))
    }

    /// The collected message.
    fn take(&mut self) -> Message<'static> {
        match core::mem::take(self).body {
            Body::Text { text, .. } => Message::Text(Cow::Owned(text)),
            Body::Binary { mut bytes, filled } => {
                bytes.truncate(filled);
                Message::Binary(Cow::Owned(bytes))
            }
            _ => Message::Binary(Cow::Borrowed(&[])),
        }
    }

    fn end_if(&mut self, last: bool) {
        if last {
            *self = Self::default();
        }
    }
}

impl Body {
    fn new(kind: Kind, receive: Receive) -> Self {
        let utf8 = Utf8::default();
        match (receive, kind) {
            (Receive::Messages, Kind::Text) => Self::Text {
                text: String::new(),
                utf8,
            },
            (Receive::Messages, Kind::Binary) => Self::Binary {
                bytes: Vec::new(),
                filled: 0,
            },
            (Receive::Chunks, kind) => Self::Chunks {
                kind,
                utf8,
                first: true,
            },
        }
    }
}

/// The part of a text's next `bytes` that valid text can have at its place, and
/// whether that is all of them. Handing it over before the violation makes it
/// unobservable where the input was cut.
fn possible<'i>(utf8: &mut Utf8, bytes: &'i [u8], last: bool) -> (&'i [u8], bool) {
    match utf8.push(bytes) {
        Ok(_) => (bytes, !last || utf8.is_complete()),
        Err(invalid) => (bytes.get(..invalid.at).unwrap_or_default(), false),
    }
}

/// Stores `piece` at `filled`, in the room for direct reads as far as it goes.
fn fill(bytes: &mut Vec<u8>, filled: usize, piece: &[u8], most: usize) {
    let room_left = bytes.len().saturating_sub(filled);
    let (inside, beyond) = piece.split_at(piece.len().min(room_left));
    if let Some(slot) = bytes.get_mut(filled..filled + inside.len()) {
        slot.copy_from_slice(inside);
    }
    bytes.reserve_exact(room(bytes.capacity(), bytes.len(), beyond.len(), most));
    bytes.extend_from_slice(beyond);
}

/// How much more to reserve for `more` bytes of a message that can have `most`.
///
/// Storage at most doubles what has arrived: memory follows the bytes received,
/// not the length that the peer announced (section 10.4). Its sizes are halves
/// of `most`, so that a byte is moved once on the average until all are there.
fn room(capacity: usize, len: usize, more: usize, most: usize) -> usize {
    let needed = len.saturating_add(more);
    if needed <= capacity {
        return 0;
    }
    let mut size = most.max(needed);
    while size / 2 >= needed {
        size /= 2;
    }
    size - len
}
