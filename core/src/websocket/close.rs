//! The close frame and its code, RFC 6455 sections 5.5.1 and 7.4.

use alloc::borrow::Cow;
use core::fmt;
use core::num::NonZeroU16;

use super::{Violation, frame::MAX_CONTROL};
use crate::utf8;

/// A close code that may stand in a close frame.
///
/// These are 1000 to 1003, 1007 to 1014 and 3000 to 4999 (section 7.4 and the
/// IANA registry). 1005, 1006 and 1015 only ever describe to an application how
/// a connection ended; see [`Reason::code`](super::Reason::code).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(NonZeroU16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self::known(1000);
    /// 1001: the server goes down, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self::known(1001);
    /// 1002: a rule of the protocol was broken.
    pub const PROTOCOL_ERROR: Self = Self::known(1002);
    /// 1003: a kind of data that cannot be handled.
    pub const UNSUPPORTED: Self = Self::known(1003);
    /// 1007: data that does not fit its type, as text that is not UTF-8.
    pub const INVALID_DATA: Self = Self::known(1007);
    /// 1008: a message that breaks the endpoint's policy.
    pub const POLICY: Self = Self::known(1008);
    /// 1009: a message that is too big.
    pub const TOO_BIG: Self = Self::known(1009);
    /// 1010: an extension that the client needs was not negotiated.
    pub const MANDATORY_EXTENSION: Self = Self::known(1010);
    /// 1011: the server met a condition that it did not expect.
    pub const INTERNAL_ERROR: Self = Self::known(1011);
    /// 1012: the service restarts.
    pub const SERVICE_RESTART: Self = Self::known(1012);
    /// 1013: try again later.
    pub const TRY_AGAIN_LATER: Self = Self::known(1013);
    /// 1014: a gateway had an invalid answer from upstream.
    pub const BAD_GATEWAY: Self = Self::known(1014);

    /// The code with this number, or `None` if no endpoint may send it.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self::known(code)),
            _ => None,
        }
    }

    /// Its number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    const fn known(code: u16) -> Self {
        match NonZeroU16::new(code) {
            Some(code) => Self(code),
            None => Self(NonZeroU16::MIN),
        }
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get())
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get())
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.get()
    }
}

/// What a close frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame<'i> {
    /// Why the peer closes.
    pub code: CloseCode,
    /// The same for people; at most 123 bytes, and often empty.
    pub reason: Cow<'i, str>,
}

impl<'i> CloseFrame<'i> {
    /// Reads the payload of a close frame; an empty one says nothing.
    ///
    /// # Errors
    ///
    /// The rule that the peer broke.
    pub fn decode(payload: &'i [u8]) -> Result<Option<Self>, Violation> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return match payload {
                [] => Ok(None),
                // "the first two bytes of the body MUST be a 2-byte unsigned integer"
                _ => Err(Violation::CloseLength),
            };
        };
        let code = CloseCode::new(u16::from_be_bytes(*code)).ok_or(Violation::CloseCode)?;
        let reason = utf8::validate(reason).map_err(|_| Violation::InvalidUtf8)?;
        Ok(Some(Self {
            code,
            reason: Cow::Borrowed(reason),
        }))
    }

    /// The same, with a reason of its own.
    pub fn into_owned(self) -> CloseFrame<'static> {
        CloseFrame {
            code: self.code,
            reason: Cow::Owned(self.reason.into_owned()),
        }
    }
}

/// The most bytes a close reason can have.
pub const MAX_REASON: usize = MAX_CONTROL - 2;
