//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept`, RFC 6455 sections 4.1, 4.2.2
//! and 11.3.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The value of `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`,
/// computed on the stack (section 4.2.2).
///
/// The key is taken as the text it was sent as. Whether it is one is for the
/// handshake to judge.
///
/// ```
/// use sockeye::websocket::handshake::accept_key;
///
/// let accept = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(&accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    encode(&hash.finalize())
}

/// The value of `Sec-WebSocket-Key` for a nonce, on the stack (section 4.1).
///
/// The nonce must be random and fresh for every connection.
///
/// ```
/// use sockeye::websocket::handshake::client_key;
///
/// assert_eq!(&client_key(*b"the sample nonce"), b"dGhlIHNhbXBsZSBub25jZQ==");
/// ```
pub fn client_key(nonce: [u8; 16]) -> [u8; 24] {
    encode(&nonce)
}

/// Whether `key` is 16 bytes in base64.
///
/// The unused bits of the last digit may be anything: the example key of
/// RFC 6455 section 4.1 has some of them set.
pub(super) fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let Some(digits) = key.strip_suffix(b"==") else {
        return false;
    };
    digits.len() == 22 && digits.iter().all(is_digit)
}

fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [0; N];
    // `N` is the exact length for both callers, so this does not fail.
    let _ = STANDARD.encode_slice(bytes, &mut text);
    text
}

/// What a server that does not speak the protocol would not think of.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h12_a_key_is_hashed_as_sent() {
        let key = b"AQIDBAUGBwgJCgsMDQ4PEC==";
        assert!(is_key(key));
        assert_eq!(&accept_key(key), b"OfS0wDaT5NoxF2gqm7Zj2YtetzM=");
    }

    #[test]
    fn h11_keys_are_sixteen_bytes_in_base64() {
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        for key in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZTE=",
            "dGhlIHNhbXBsZSBub25jZTEy",
            "!!!!IHNhbXBsZSBub25jZQ==",
            "dGhlIHNh XBsZSBub25jZQ==",
            "========================",
        ] {
            assert!(!is_key(key.as_bytes()), "{key}");
        }
    }

    #[test]
    fn keys_of_any_length_are_hashed() {
        for length in 0..200 {
            let key = alloc::vec![b'a'; length];
            assert!(accept_key(&key).ends_with(b"="));
        }
    }
}
