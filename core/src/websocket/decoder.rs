//! From input to frames: headers and payloads that the input may have cut.
//!
//! The decoder keeps what it cannot give on: the beginning of a header, and the
//! beginning of a control frame. Data it gives on as it comes.

use alloc::borrow::Cow;
use alloc::boxed::Box;

use super::frame::{Expect, Header, MAX_CONTROL, MAX_HEADER};
use super::{Mask, Opcode, Violation};

/// What the input is in the middle of.
#[derive(Debug)]
pub(super) enum Decoder {
    /// A header, of which `have` bytes came.
    Header { bytes: [u8; MAX_HEADER], have: u8 },
    /// The payload of a data frame.
    Payload(Payload),
    /// The payload of a control frame, of which `have` bytes came.
    Control {
        header: Header,
        have: u8,
        bytes: Box<[u8; MAX_CONTROL]>,
    },
}

/// A data frame whose header is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload {
    pub(super) fin: bool,
    mask: Option<Mask>,
    /// Bytes still to come.
    pub(super) left: u64,
    /// Whether none have come.
    untouched: bool,
}

/// What the next bytes of input were.
pub(super) enum Step<'i> {
    /// All of the input belongs to something that goes on.
    More,
    /// A data frame begins.
    Begin(Header),
    /// Payload of that frame.
    Data(Piece<'i>),
    /// A whole control frame.
    Control(Opcode, Cow<'i, [u8]>),
}

/// Some payload of a data frame, unmasked.
pub(super) struct Piece<'i> {
    pub(super) bytes: &'i [u8],
    /// Whether this is all of a final frame.
    pub(super) whole: bool,
    /// Whether the frame ends here, and is the last of its message.
    pub(super) end: End,
}

/// What ends with a piece of payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Nothing,
    Frame,
    Message,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::Header {
            bytes: [0; MAX_HEADER],
            have: 0,
        }
    }
}

impl Decoder {
    /// Whether the next byte of input begins a frame.
    pub(super) fn is_at_border(&self) -> bool {
        matches!(self, Self::Header { have: 0, .. })
    }

    /// Takes in one thing from `input` and returns it with what follows.
    pub(super) fn step<'i>(
        &mut self,
        input: &'i mut [u8],
        expect: &Expect,
    ) -> Result<(Step<'i>, &'i mut [u8]), Violation> {
        match self {
            Self::Header { have: 0, .. } => self.header(input, expect),
            Self::Header { .. } => self.header_goes_on(input, expect),
            Self::Payload(payload) => {
                let (piece, rest) = payload.take(input);
                if piece.end != End::Nothing {
                    *self = Self::default();
                } else if piece.bytes.is_empty() {
                    return Ok((Step::More, rest));
                }
                Ok((Step::Data(piece), rest))
            }
            Self::Control { .. } => Ok(self.control_goes_on(input)),
        }
    }

    /// A header that begins with the input.
    fn header<'i>(
        &mut self,
        input: &'i mut [u8],
        expect: &Expect,
    ) -> Result<(Step<'i>, &'i mut [u8]), Violation> {
        match Header::decode(input, expect)? {
            Some((header, len)) => {
                let (_, rest) = input.split_at_mut_checked(len).unwrap_or_default();
                Ok(self.begin(header, rest))
            }
            None => {
                let mut bytes = [0; MAX_HEADER];
                for (slot, byte) in bytes.iter_mut().zip(&*input) {
                    *slot = *byte;
                }
                let have = input.len() as u8;
                *self = Self::Header { bytes, have };
                Ok((Step::More, &mut []))
            }
        }
    }

    /// A header that earlier input began.
    fn header_goes_on<'i>(
        &mut self,
        input: &'i mut [u8],
        expect: &Expect,
    ) -> Result<(Step<'i>, &'i mut [u8]), Violation> {
        let Self::Header { bytes, have } = self else {
            return Ok((Step::More, input));
        };
        let before = usize::from(*have);
        let mut len = before;
        for (slot, byte) in bytes.iter_mut().skip(before).zip(&*input) {
            *slot = *byte;
            len += 1;
        }
        *have = len as u8;
        match Header::decode(bytes.get(..len).unwrap_or_default(), expect)? {
            Some((header, len)) => {
                let taken = len.saturating_sub(before);
                let (_, rest) = input.split_at_mut_checked(taken).unwrap_or_default();
                Ok(self.begin(header, rest))
            }
            None => Ok((Step::More, &mut [])),
        }
    }

    /// The header is there; `rest` begins with the payload.
    fn begin<'i>(&mut self, header: Header, rest: &'i mut [u8]) -> (Step<'i>, &'i mut [u8]) {
        if !header.opcode.is_control() {
            *self = Self::Payload(Payload {
                fin: header.fin,
                mask: header.mask.map(Mask::new),
                left: header.len,
                untouched: true,
            });
            return (Step::Begin(header), rest);
        }
        let len = header.len as usize;
        if rest.len() >= len {
            *self = Self::default();
            let (payload, rest) = rest.split_at_mut(len);
            if let Some(key) = header.mask {
                Mask::new(key).apply(payload);
            }
            return (Step::Control(header.opcode, Cow::Borrowed(payload)), rest);
        }
        *self = Self::Control {
            header,
            have: 0,
            bytes: Box::new([0; MAX_CONTROL]),
        };
        self.control_goes_on(rest)
    }

    fn control_goes_on<'i>(&mut self, input: &'i mut [u8]) -> (Step<'i>, &'i mut [u8]) {
        let Self::Control {
            header,
            have,
            bytes,
        } = self
        else {
            return (Step::More, input);
        };
        let wanted = (header.len as usize).saturating_sub((*have).into());
        let (mine, rest) = input.split_at_mut(wanted.min(input.len()));
        for (slot, byte) in bytes.iter_mut().skip((*have).into()).zip(&*mine) {
            *slot = *byte;
        }
        *have += mine.len() as u8;
        if mine.len() < wanted {
            return (Step::More, rest);
        }
        let mut payload = bytes.get(..(*have).into()).unwrap_or_default().to_vec();
        if let Some(key) = header.mask {
            Mask::new(key).apply(&mut payload);
        }
        let opcode = header.opcode;
        *self = Self::default();
        (Step::Control(opcode, Cow::Owned(payload)), rest)
    }
}

impl Payload {
    /// Takes what belongs to the frame from the beginning of `input`.
    fn take<'i>(&mut self, input: &'i mut [u8]) -> (Piece<'i>, &'i mut [u8]) {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX);
        let (mine, rest) = input.split_at_mut(wanted.min(input.len()));
        let whole = self.untouched && mine.len() == wanted && self.fin;
        let end = self.unmask(mine);
        let piece = Piece {
            bytes: mine,
            whole,
            end,
        };
        (piece, rest)
    }

    /// Unmasks the next bytes of the frame, wherever they are.
    pub(super) fn unmask(&mut self, bytes: &mut [u8]) -> End {
        if let Some(mask) = &mut self.mask {
            mask.apply(bytes);
        }
        self.left -= bytes.len() as u64;
        self.untouched &= bytes.is_empty();
        match (self.left, self.fin) {
            (0, true) => End::Message,
            (0, false) => End::Frame,
            _ => End::Nothing,
        }
    }
}
