//! The head of a request, whatever HTTP library has read it.

use core::fmt;

use crate::http::HttpVersion;

/// The head of a request.
#[derive(Clone, Copy)]
pub struct Head<'r> {
    /// The method.
    pub method: &'r str,
    /// The version.
    pub version: HttpVersion,
    /// The path of the target.
    pub path: &'r str,
    /// The query of the target, without the question mark; may be empty.
    pub query: &'r str,
    /// All header fields, those of the same name one by one; over HTTP/2 the
    /// authority as `host`.
    pub fields: &'r [(&'r str, &'r [u8])],
}

impl<'r> Head<'r> {
    /// The value of the first field called `name`, in any mixture of cases.
    pub fn field(&self, name: &str) -> Option<&'r [u8]> {
        let mut fields = self.fields.iter();
        let field = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
        field.map(|(_, value)| *value)
    }
}

impl fmt::Debug for Head<'_> {
    /// Leaves out the query and the values, which have secrets in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
