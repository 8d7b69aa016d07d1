//! What an application is told, and asked.

use alloc::string::String;
use core::net::SocketAddr;
use core::task::{Context, Poll};

use super::{Head, Session};
use crate::Message;
use crate::engineio::{Reason, Sid, Transport, Version};

/// The application behind a [`Server`](super::Server).
///
/// Its methods are called one at a time for each session, and at once for
/// several. They may do anything with sessions, this one and others, but should
/// not block: the thread belongs to the runtime. One that panics ends the session
/// that it was called for, and nothing else.
///
/// ```
/// use sockeye::Message;
/// use sockeye::driver::engineio::{Handler, Opening, Refused, Session};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Data = ();
///
///     fn open(&self, _: &Opening<'_>) -> Result<(), Refused> {
///         Ok(())
///     }
///
///     fn message(&self, session: &Session<Self>, message: Message<'_>) {
///         // A client that does not fetch its echoes goes without.
///         let _ = session.send(message);
///     }
/// }
/// ```
pub trait Handler: Sized + Send + Sync + 'static {
    /// What the application keeps with each session.
    type Data: Send + Sync + 'static;

    /// A client asks for a session. What is returned is kept with it.
    ///
    /// # Errors
    ///
    /// The client is refused.
    fn open(&self, opening: &Opening<'_>) -> Result<Self::Data, Refused>;

    /// A session was opened. What is sent here reaches the client with the first
    /// answer.
    fn opened(&self, session: &Session<Self>) {
        let _ = session;
    }

    /// A message has come. It is borrowed from what was received, where it can be.
    fn message(&self, session: &Session<Self>, message: Message<'_>);

    /// The session goes by WebSocket from now on.
    fn upgraded(&self, session: &Session<Self>) {
        let _ = session;
    }

    /// Whether the application takes a message of this session. While it does not,
    /// POSTs are not answered and the WebSocket is not read; that the client is
    /// alive cannot be seen then, and is not asked for.
    fn poll_ready(&self, session: &Session<Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _ = (session, cx);
        Poll::Ready(())
    }

    /// The session has ended. Said once of every session that was opened.
    fn closed(&self, session: &Session<Self>, reason: Reason) {
        let _ = (session, reason);
    }

    /// Looks at every request that is in order, before anything is done about it: at
    /// those for sessions that are open as well.
    ///
    /// # Errors
    ///
    /// The request is refused, and changes nothing.
    fn allow(&self, head: &Head<'_>, peer: Option<SocketAddr>) -> Result<(), Refused> {
        let _ = (head, peer);
        Ok(())
    }

    /// The name for a new session, out of random bytes. For a node among others
    /// [`Sid::with_tag`] has a name that tells them apart.
    fn sid(&self, random: [u8; 15]) -> Sid {
        Sid::new(random)
    }
}

/// A client's request for a session.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Opening<'r> {
    /// The request.
    pub head: &'r Head<'r>,
    /// Where it comes from.
    pub peer: Option<SocketAddr>,
    /// The version that the client speaks.
    pub version: Version,
    /// By what the session begins.
    pub transport: Transport,
}

/// A request is refused: with status 403, code 4, and this text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub(super) message: String,
}

impl Refused {
    /// Refused with a text for the client.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl Default for Refused {
    fn default() -> Self {
        Self::new("Forbidden")
    }
}
