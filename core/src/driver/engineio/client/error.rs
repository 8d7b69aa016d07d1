//! How a client can fail.

use alloc::boxed::Box;
use core::fmt;

use super::Answer;
use crate::engineio::{Reason, SendError};

/// What HTTP or a WebSocket fails with.
pub type BoxError = Box<dyn core::error::Error + Send + Sync>;

/// Why a session ended or was never opened, or why nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request or a WebSocket failed.
    #[error(transparent)]
    Failed(BoxError),
    /// The server has answered with another status than 200.
    #[error("{}", Refusal(.0))]
    Refused(Answer),
    /// The session ended.
    #[error("{0}")]
    Ended(Reason),
    /// Nothing was sent.
    #[error("{0}")]
    Send(#[from] SendError),
}

/// What is to be said of an answer that is no success.
struct Refusal<'a>(&'a Answer);

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(answer) = self;
        write!(f, "the server answered with status {}", answer.status)?;
        match answer.code() {
            Some(1) => f.write_str(
                ": it does not know the session, which may have ended, \
                 or belong to another server behind the same load balancer",
            ),
            _ => Ok(()),
        }
    }
}
