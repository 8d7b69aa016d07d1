//! How a driven connection or handshake can fail.

use alloc::boxed::Box;

use crate::websocket::handshake::{Lost, Refusal, ResponseError, ResponseHead, ResponseViolation};
use crate::websocket::{Reason, SendError};

/// Why a connection ended, or why nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// The transport failed.
    #[error("transport: {0}")]
    Io(E),
    /// The transport took no bytes.
    #[error("transport takes no bytes")]
    WriteZero,
    /// The connection ended without a closing handshake.
    #[error("{0}")]
    Ended(Reason<'static>),
    /// Nothing was sent.
    #[error("{0}")]
    Send(#[from] SendError),
}

impl<E> Error<E> {
    /// The close code as an application sees it: see [`Reason::code`].
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::Io(_) | Self::WriteZero => Some(1006),
            Self::Ended(reason) => Some(reason.code()),
            Self::Send(_) => None,
        }
    }
}

/// As an application sees it that deals in errors of I/O.
#[cfg(feature = "std")]
impl From<Error<std::io::Error>> for std::io::Error {
    fn from(error: Error<Self>) -> Self {
        match error {
            Error::Io(error) => error,
            Error::WriteZero => std::io::ErrorKind::WriteZero.into(),
            error => Self::other(error),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError<E> {
    /// The transport failed.
    #[error("transport: {0}")]
    Io(E),
    /// The transport took no bytes.
    #[error("transport takes no bytes")]
    WriteZero,
    /// The transport or the time ended first.
    #[error("{0}")]
    Lost(Lost),
    /// Server: the request was not an upgrade to WebSocket. It has been answered.
    #[error("request: {0}")]
    Request(Refusal),
    /// Server: the answer given is not possible.
    #[error("answer: {0}")]
    Response(#[from] ResponseError),
    /// Client: the server's answer breaks a rule.
    #[error("response: {0}")]
    Violation(ResponseViolation),
    /// Client: the server refused.
    #[error("refused with status {}", .0.status())]
    Refused(Box<ResponseHead>),
    /// Client: the server points elsewhere; see [`ResponseHead::location`].
    #[error("redirected with status {}", .0.status())]
    Redirect(Box<ResponseHead>),
}
