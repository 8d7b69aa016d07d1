//! The rules a head can break: the peer's ([`HeadError`]), our own caller's
//! ([`FieldError`]).

/// The rule of HTTP/1.1 that the head of a message breaks.
///
/// It is known at the first byte that breaks the rule, and does not depend on
/// how the bytes were cut on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// More than one empty line before the request line (RFC 9112 section 2.2).
    #[error("more than one empty line before the request")]
    EmptyLines,
    /// The method is not a token (RFC 9112 section 3.1).
    #[error("the method is not a token")]
    Method,
    /// The request target is empty, or holds a control character, a fragment
    /// sign or a byte beyond ASCII (RFC 9112 section 3.2).
    #[error("the request target is malformed")]
    Target,
    /// The version is not of the form `HTTP/1.1` (RFC 9112 section 2.3).
    #[error("the HTTP version is malformed")]
    Version,
    /// The version is well-formed, but not 1 (RFC 9112 section 2.3).
    #[error("the HTTP version is not supported")]
    UnsupportedVersion,
    /// The status is not a number of three digits (RFC 9112 section 4).
    #[error("the status code is malformed")]
    Status,
    /// A control character in the reason phrase (RFC 9112 section 4).
    #[error("the reason phrase holds a control character")]
    Reason,
    /// A line feed without a carriage return, or the other way round
    /// (RFC 9112 section 2.2).
    #[error("a line does not end in CR LF")]
    LineEnd,
    /// White space at the start of a field line: a folded line, or one that
    /// hides from other parsers (RFC 9112 sections 2.2 and 5.2).
    #[error("a field line begins with white space")]
    Fold,
    /// The field name is not a token that a colon follows at once
    /// (RFC 9112 section 5.1).
    #[error("a field name is not a token")]
    FieldName,
    /// A control character in a field value (RFC 9110 section 5.5).
    #[error("a field value holds a control character")]
    FieldValue,
    /// The start line is longer than the limit.
    #[error("the start line is too long")]
    LineTooLong,
    /// The header section is longer than the limit.
    #[error("the header section is too long")]
    HeadTooLarge,
    /// There are more header fields than the limit.
    #[error("there are too many header fields")]
    TooManyFields,
}

impl HeadError {
    /// The status that a server answers with.
    pub const fn status(self) -> u16 {
        match self {
            Self::LineTooLong => 414,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::UnsupportedVersion => 505,
            _ => 400,
        }
    }
}

/// Why a header field of the caller's is not written. Nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The name is not a token (RFC 9110 section 5.1).
    #[error("the field name is not a token")]
    Name,
    /// The value holds a control character (CR, LF and NUL among them), or
    /// begins or ends with white space (RFC 9110 section 5.5).
    #[error("the field value holds a control character or outer white space")]
    Value,
    /// The field is one that the handshake itself writes.
    #[error("the field belongs to the handshake")]
    Reserved,
    /// The field may occur once only, and has been set.
    #[error("the field has been set before")]
    Repeated,
}
