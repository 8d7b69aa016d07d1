//! What a client needs of HTTP.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;

use super::BoxError;
use crate::Kind;
use crate::driver::{Io, WebSocket};
use crate::engineio::polling;
use crate::websocket;

/// Requests to one server: by an HTTP library of your choice, through a proxy, with
/// header fields and cookies of your own.
pub trait Http: Send + 'static {
    /// The transport of a WebSocket.
    type Io: Io<Error: Into<BoxError>> + Send + 'static;

    /// Sends a request and receives the answer, whatever its status. Redirects are
    /// not followed, and nothing is sent twice: a server may have acted upon it.
    ///
    /// An answer to a GET may take as long as the heartbeat does. Drop the future
    /// and the request is given up.
    fn request(&self, request: Request) -> Pending<Answer>;

    /// Opens a WebSocket: `target` is path and query.
    fn websocket(&self, target: &str, config: websocket::Config) -> Pending<WebSocket<Self::Io>>;
}

/// What will be there, or will fail.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// A GET, or a POST if it has content.
#[derive(Clone)]
#[non_exhaustive]
pub struct Request {
    /// Path and query: a secret, which names the session.
    pub target: String,
    /// What a POST carries.
    pub content: Option<Content>,
    /// How many bytes the body of the answer may have. Give it up once more have
    /// come, and answer with those.
    pub limit: usize,
}

/// What a POST carries.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Content {
    /// For `Content-Type`.
    pub media_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer to a request.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// All header fields, those of the same name one by one.
    pub fields: Vec<(Box<str>, Box<[u8]>)>,
    /// Its body, or as much as shows that it is too long.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the first field called `name`, in any mixture of cases.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.fields.iter();
        let field = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
        field.map(|(_, value)| &**value)
    }

    /// The code of an error, as Engine.IO servers put it into the body: 1 if the
    /// session is unknown.
    pub fn code(&self) -> Option<u8> {
        polling::error_code(&self.body)
    }

    pub(super) fn kind(&self) -> Kind {
        polling::body_kind(self.field("content-type").unwrap_or_default())
    }
}

impl fmt::Debug for Request {
    /// Leaves out the query, which has secrets in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next();
        f.debug_struct("Request")
            .field("path", &path.unwrap_or_default())
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("media_type", &self.media_type)
            .field("len", &self.body.len())
            .finish()
    }
}

impl fmt::Debug for Answer {
    /// Leaves out fields and body, which may have secrets in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("code", &self.code())
            .finish_non_exhaustive()
    }
}
