//! The cookie that names the session to load balancers, RFC 6265.

use alloc::format;
use alloc::string::String;
use core::fmt::Write;
use core::time::Duration;

use crate::engineio::Sid;
use crate::http::header::is_token;

/// A cookie whose value is the name of the session, for load balancers that
/// route by it. Neither end reads it.
///
/// Only what opens a session by polling sets it. Scripts never see it.
///
/// ```
/// use sockeye::engineio::polling::{Cookie, SameSite};
///
/// let cookie = Cookie::new("io")?.path("/engine.io/")?.same_site(SameSite::Strict);
/// assert!(Cookie::new("io; Domain=evil.example").is_err());
/// # Ok::<_, sockeye::engineio::polling::CookieError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    name: String,
    path: String,
    domain: Option<String>,
    max_age: Option<Duration>,
    is_secure: bool,
    same_site: SameSite,
}

impl Cookie {
    /// A cookie with this name, for the path `/`, `SameSite=Lax`, until the
    /// browser closes.
    ///
    /// # Errors
    ///
    /// Unless the name is a token.
    pub fn new(name: &str) -> Result<Self, CookieError> {
        if !is_token(name.as_bytes()) {
            return Err(CookieError::Name);
        }
        Ok(Self {
            name: name.into(),
            path: "/".into(),
            domain: None,
            max_age: None,
            is_secure: false,
            same_site: SameSite::Lax,
        })
    }

    /// The path below which it is sent.
    ///
    /// # Errors
    ///
    /// Unless it begins with a slash and holds neither a semicolon nor a control
    /// character, nor anything beyond ASCII.
    pub fn path(self, path: &str) -> Result<Self, CookieError> {
        match path.starts_with('/') && is_attribute(path) {
            true => Ok(Self {
                path: path.into(),
                ..self
            }),
            false => Err(CookieError::Path),
        }
    }

    /// The domain to whose hosts it is sent, in place of this host alone.
    ///
    /// # Errors
    ///
    /// If it is empty, or holds a semicolon, a control character, or anything
    /// beyond ASCII.
    pub fn domain(self, domain: &str) -> Result<Self, CookieError> {
        match !domain.is_empty() && is_attribute(domain) {
            true => Ok(Self {
                domain: Some(domain.into()),
                ..self
            }),
            false => Err(CookieError::Domain),
        }
    }

    /// How long it is kept, in whole seconds.
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        Self {
            max_age: Some(max_age),
            ..self
        }
    }

    /// It is sent over TLS only.
    #[must_use]
    pub fn secure(self) -> Self {
        Self {
            is_secure: true,
            ..self
        }
    }

    /// Whether it goes along with requests of other sites.
    #[must_use]
    pub fn same_site(self, same_site: SameSite) -> Self {
        Self { same_site, ..self }
    }

    /// The value of `Set-Cookie`.
    pub(super) fn value(&self, sid: &Sid) -> String {
        let mut value = format!("{}={}; Path={}", self.name, sid.as_str(), self.path);
        // Writing to a string does not fail.
        if let Some(domain) = &self.domain {
            let _ = write!(value, "; Domain={domain}");
        }
        if let Some(max_age) = self.max_age {
            let _ = write!(value, "; Max-Age={}", max_age.as_secs());
        }
        // Browsers drop a cookie for all sites that is not secure.
        if self.is_secure || self.same_site == SameSite::None {
            value.push_str("; Secure");
        }
        value.push_str("; HttpOnly; SameSite=");
        value.push_str(match self.same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        });
        value
    }
}

/// Which requests of other sites a cookie goes along with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// None.
    Strict,
    /// Links that are followed.
    #[default]
    Lax,
    /// All of them; the cookie is then sent over TLS only.
    None,
}

/// Which part of a cookie cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CookieError {
    /// The name is not a token.
    #[error("name of the cookie is not a token")]
    Name,
    /// The path does not begin with a slash, or could end the attribute.
    #[error("path of the cookie is malformed")]
    Path,
    /// The domain is empty, or could end the attribute.
    #[error("domain of the cookie is malformed")]
    Domain,
}

/// RFC 6265 section 4.1.1: "any CHAR except CTLs or ';'".
fn is_attribute(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b';')
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: [u8; 15] = [0; 15];

    #[test]
    fn s27_nothing_ends_an_attribute_or_the_line() {
        for text in [
            "/a;b",
            "/a\r\nSet-Cookie: b",
            "/a\n",
            "/\0",
            "/\u{e4}",
            "/a; Domain=b",
        ] {
            let cookie = Cookie::new("io").unwrap();
            assert_eq!(cookie.clone().path(text), Err(CookieError::Path), "{text}");
            assert_eq!(cookie.domain(text), Err(CookieError::Domain), "{text}");
            assert_eq!(Cookie::new(text), Err(CookieError::Name), "{text}");
        }
        assert_eq!(Cookie::new(""), Err(CookieError::Name));
        assert_eq!(Cookie::new("io").unwrap().path("a"), Err(CookieError::Path));
        assert_eq!(
            Cookie::new("io").unwrap().domain(""),
            Err(CookieError::Domain)
        );
    }

    #[test]
    fn attributes_are_written_in_one_order() {
        let sid = Sid::new(SID);
        let name = "A".repeat(20);
        let plain = Cookie::new("io").unwrap();
        let expected = format!("io={name}; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(plain.value(&sid), expected);
        let secure = plain.clone().secure().same_site(SameSite::Strict);
        let expected = format!("io={name}; Path=/; Secure; HttpOnly; SameSite=Strict");
        assert_eq!(secure.value(&sid), expected);
        let all = plain
            .path("/b")
            .and_then(|it| it.domain("c.example"))
            .unwrap();
        let all = all
            .max_age(Duration::from_millis(60_900))
            .same_site(SameSite::None);
        let expected = format!(
            "io={name}; Path=/b; Domain=c.example; Max-Age=60; Secure; HttpOnly; SameSite=None"
        );
        assert_eq!(all.value(&sid), expected);
    }
}
