//! The part of HTTP/1.1 that an upgrade needs.
//!
//! A message head is read strictly and within limits, byte for byte as it
//! arrives; field values are split into what their grammar says; a head is
//! written so that no value can end its line. Message bodies, routing and
//! keeping connections alive are not here: whoever serves other requests too
//! has an HTTP library, and gives the handshake the headers it parsed.
//! RFC 9110 and RFC 9112.

mod authority;
mod error;
pub(crate) mod fields;
pub(crate) mod head;
pub mod header;
mod origin;
pub(crate) mod write;

#[cfg(test)]
mod second_opinion;

pub(crate) use authority::Authority;
pub use error::{FieldError, HeadError};
pub use fields::Fields;
pub use origin::Origins;

/// The version in a start line, as far as it matters to an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.0, which knows no upgrade.
    Http10,
    /// HTTP/1.1, or a later minor version that is read as if it were.
    Http11,
    /// Any other version.
    Other,
}
