//! What a server offers over HTTP.

use alloc::string::String;

use super::Cookie;
use crate::engineio::Transports;
use crate::http::Origins;

/// What a server offers over HTTP, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The path of all requests, as it is sent: `/engine.io/`. Socket.IO has
    /// `/socket.io/`.
    pub path: String,
    /// The transports that a session may begin with or go over to: all.
    pub transports: Transports,
    /// Whether version 3 is spoken beside version 4: no.
    pub version_3: bool,
    /// Which pages may talk to this server.
    ///
    /// Others are refused, whatever their transport. Pages of the same host
    /// need no permission of the browser; [`Any`](Origins::Any) and
    /// [`List`](Origins::List) give it, by the headers of the Fetch standard
    /// ("CORS protocol").
    pub origins: Origins,
    /// Whether pages of a list may send cookies along: no. Pages from anywhere
    /// may not in any case, as the Fetch standard demands.
    pub credentials: bool,
    /// A cookie for load balancers: none.
    pub cookie: Option<Cookie>,
}

impl Options {
    /// The defaults, for pages from `origins` and for clients that are no
    /// browsers.
    pub fn new(origins: Origins) -> Self {
        Self {
            path: "/engine.io/".into(),
            transports: Transports::ALL,
            version_3: false,
            origins,
            credentials: false,
            cookie: None,
        }
    }

    /// Whether requests for this path are for this server: it is the same, with
    /// or without a slash at its end.
    pub fn serves(&self, path: &str) -> bool {
        let bare = |path: &str| String::from(path.strip_suffix('/').unwrap_or(path));
        bare(path) == bare(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_whole() {
        let options = Options::new(Origins::Any);
        for (path, expected) in [
            ("/engine.io/", true),
            ("/engine.io", true),
            ("/engine.io//", false),
            ("/engine.io/foo", false),
            ("/engine.iofoo", false),
            ("/ENGINE.IO/", false),
            ("/", false),
            ("", false),
        ] {
            assert_eq!(options.serves(path), expected, "{path}");
        }
    }
}
