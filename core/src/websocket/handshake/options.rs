//! What both roles limit, and what a server lets in.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::http::Origins;
use crate::http::head::HeadLimits;

/// How much a peer may send, and how long it may take, before the handshake
/// fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request line or status line, without its line end. A
    /// server answers 414 to more.
    pub request_line: usize,
    /// Bytes of the header section: everything after the first line. A server
    /// answers 431 to more.
    pub head: usize,
    /// Header fields. A server answers 431 to more.
    pub fields: usize,
    /// Responses with a status of 1xx that a client passes over.
    pub informational: usize,
    /// Bytes of a refusal's body that a client keeps; the rest is cut off.
    pub body: usize,
    /// Time from the start to the last byte of the answer.
    pub timeout: Duration,
}

impl Limits {
    pub(super) const fn head(&self) -> HeadLimits {
        HeadLimits {
            line: self.request_line,
            section: self.head,
            fields: self.fields,
        }
    }
}

impl Default for Limits {
    /// 8 KiB, 16 KiB, 100 fields, 8 responses, 64 KiB and 10 seconds.
    fn default() -> Self {
        Self {
            request_line: 8_192,
            head: 16_384,
            fields: 100,
            informational: 8,
            body: 65_536,
            timeout: Duration::from_secs(10),
        }
    }
}

/// What a server asks of a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Which pages may connect.
    pub origins: Origins,
    /// Whether a request without `Origin` is refused.
    pub require_origin: bool,
    /// The paths at which there is a WebSocket, as they are sent: not decoded.
    /// A well-formed request for another one is answered with 404, also if it
    /// is for no WebSocket. If there are none, every path will do.
    ///
    /// Not for [`check_request`](super::check_request), which is not told the
    /// path.
    pub paths: Vec<String>,
    /// How much a client may send, and how long it may take.
    pub limits: Limits,
}

impl ServerOptions {
    /// Options with the default limits, for pages from `origins` and for
    /// clients that are no browsers, at any path.
    pub fn new(origins: Origins) -> Self {
        Self {
            origins,
            require_origin: false,
            paths: Vec::new(),
            limits: Limits::default(),
        }
    }

    pub(super) fn serves(&self, path: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|served| served == path)
    }
}
