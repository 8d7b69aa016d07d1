//! Messages in chunks, as they arrive.

use alloc::borrow::Cow;

use super::Kind;

/// A piece of a message that is still arriving.
///
/// Chunks come as the input does: their borders are not those of frames and say
/// nothing. Joined, the bytes of a message's chunks are its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk<'i> {
    /// Whether the message is text or binary.
    pub kind: Kind,
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
    /// Unmasked and, in a text message, checked up to here; may be empty.
    pub bytes: Cow<'i, [u8]>,
}

impl Chunk<'_> {
    /// The same chunk with storage of its own.
    pub fn into_owned(self) -> Chunk<'static> {
        Chunk {
            bytes: Cow::Owned(self.bytes.into_owned()),
            ..self
        }
    }

    /// The text of the chunk, between what belongs to code points that the
    /// chunk's borders cut; at most three bytes are left out at either end.
    ///
    /// `None` if the message is binary.
    pub fn as_text(&self) -> Option<&str> {
        if self.kind == Kind::Binary {
            return None;
        }
        let continues = |byte: &&u8| matches!(byte, 0x80..=0xbf);
        let cut = self.bytes.iter().take_while(continues).count();
        let text = self.bytes.get(cut..).unwrap_or_default();
        match core::str::from_utf8(text) {
            Ok(text) => Some(text),
            Err(error) => core::str::from_utf8(text.get(..error.valid_up_to())?).ok(),
        }
    }
}
