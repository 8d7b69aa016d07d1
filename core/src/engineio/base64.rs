//! Binary data inside text: base64, RFC 4648 section 4.

use alloc::vec::Vec;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::PacketError;

/// Decodes `text` into its own front. Padding may be missing as a whole;
/// nothing else may differ from what [`encode`] writes.
pub(super) fn decode_in_place(text: &mut [u8]) -> Result<&[u8], PacketError> {
    let digits = digits(text).len();
    let mut block = [0; BLOCK];
    let mut decoded = 0;
    for at in (0..digits).step_by(BLOCK_TEXT) {
        let end = digits.min(at + BLOCK_TEXT);
        let input = text.get(at..end).unwrap_or_default();
        // RFC 4648 section 3.5: "implementations MAY chose to reject an
        // encoding if the pad bits have not been set to zero".
        let len = STANDARD_NO_PAD
            .decode_slice(input, &mut block)
            .map_err(|_| PacketError::Base64)?;
        let (to, from) = (text.get_mut(decoded..decoded + len), block.get(..len));
        if let (Some(to), Some(from)) = (to, from) {
            to.copy_from_slice(from);
        }
        decoded += len;
    }
    Ok(text.get(..decoded).unwrap_or_default())
}

/// The text without the padding that makes it a multiple of four.
fn digits(text: &[u8]) -> &[u8] {
    match text {
        [digits @ .., b'=', b'='] | [digits @ .., b'='] if text.len() % 4 == 0 => digits,
        _ => text,
    }
}

/// Appends `bytes`, encoded with padding.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(encoded_len(bytes.len()));
    let mut block = [0; BLOCK_TEXT];
    for bytes in bytes.chunks(BLOCK) {
        // A block has room for what is encoded, so this does not fail.
        let len = STANDARD.encode_slice(bytes, &mut block).unwrap_or(0);
        out.extend_from_slice(block.get(..len).unwrap_or_default());
    }
}

/// How many bytes [`encode`] appends for so many.
pub(super) const fn encoded_len(bytes: usize) -> usize {
    bytes.div_ceil(3).saturating_mul(4)
}

/// What is decoded or encoded at once, on the stack: a multiple of three bytes.
const BLOCK: usize = 768;
/// The same in base64.
const BLOCK_TEXT: usize = encoded_len(BLOCK);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn blocks_join_without_a_seam() {
        for len in (0..20)
            .chain(BLOCK - 3..BLOCK + 4)
            .chain(4 * BLOCK - 1..4 * BLOCK + 2)
        {
            let bytes: Vec<u8> = (0..len).map(|n| (n * 7) as u8).collect();
            let mut text = Vec::from(*b"b");
            encode(&bytes, &mut text);
            assert_eq!(text.len(), 1 + encoded_len(len));
            assert_eq!(decode_in_place(&mut text[1..].to_vec()), Ok(&bytes[..]));
            text.retain(|&byte| byte != b'=');
            assert_eq!(decode_in_place(&mut text[1..]), Ok(&bytes[..]));
        }
    }

    #[test]
    fn p09_anything_else_is_refused() {
        for text in [
            "!!!!", "AQI*", "A", "AQ=B", "AQID\n", "A=", "=", "==", "===", "====", "A===", "AQ=",
            "AQI==", "AQID=", "AQID==", "AQID====", "_-8=", "AR==", "AQJ=", "AQ==AQ==", " AQID",
        ] {
            let refused = decode_in_place(&mut text.as_bytes().to_vec()).map(<[u8]>::to_vec);
            assert_eq!(refused, Err(PacketError::Base64), "{text}");
        }
    }
}
