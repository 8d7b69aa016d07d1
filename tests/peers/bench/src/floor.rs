//! The floor: the least code that does the job.
//!
//! It unmasks in place, lends the payload, and writes a header and a copy of the
//! payload. It trusts the peer: no fragments, no control frames, no limits.

/// A frame at the beginning of `bytes`.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub text: bool,
    pub key: [u8; 4],
    pub start: usize,
    pub end: usize,
}

/// Reads the header of a masked frame; `None` if it is not all there.
#[inline]
pub fn head(bytes: &[u8]) -> Option<Head> {
    let second = *bytes.get(1)?;
    let (len, at) = match second & 0x7f {
        126 => (
            usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
            4,
        ),
        127 => (
            u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize,
            10,
        ),
        len => (len.into(), 2),
    };
    Some(Head {
        text: bytes[0] & 0xf == 1,
        key: *bytes.get(at..)?.first_chunk()?,
        start: at + 4,
        end: at + 4 + len,
    })
}

/// Unmasks from the beginning of a payload.
#[inline]
pub fn unmask(key: [u8; 4], payload: &mut [u8]) {
    let wide = u64::from(u32::from_ne_bytes(key)) * 0x1_0000_0001;
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        let word: &mut [u8; 8] = word.try_into().expect("eight bytes");
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    let odd = words.into_remainder().iter_mut();
    odd.zip(wide.to_ne_bytes())
        .for_each(|(byte, key)| *byte ^= key);
}

/// Unmasks a whole frame, and checks it if it is text.
#[inline]
pub fn open(head: Head, frame: &mut [u8]) -> &[u8] {
    let payload = &mut frame[head.start..head.end];
    unmask(head.key, payload);
    if head.text {
        check(payload);
    }
    payload
}

/// Checks text.
#[inline]
pub fn check(text: &[u8]) {
    let valid = match text.len() {
        ..64 => std::str::from_utf8(text).is_ok(),
        _ => simdutf8::basic::from_utf8(text).is_ok(),
    };
    assert!(valid, "text is UTF-8");
}

/// Appends the header of an unmasked or masked frame.
#[inline]
pub fn encode_head(text: bool, key: Option<[u8; 4]>, len: usize, out: &mut Vec<u8>) {
    let first = if text { 0x81 } else { 0x82 };
    let mask = if key.is_some() { 0x80 } else { 0 };
    match len {
        0..=125 => out.extend([first, mask | len as u8]),
        126..=0xffff => {
            let [a, b] = (len as u16).to_be_bytes();
            out.extend([first, mask | 126, a, b]);
        }
        _ => {
            out.extend([first, mask | 127]);
            out.extend((len as u64).to_be_bytes());
        }
    }
    if let Some(key) = key {
        out.extend(key);
    }
}

/// Appends a payload, copied and masked in one pass.
#[inline]
pub fn mask_into(key: [u8; 4], payload: &[u8], out: &mut Vec<u8>) {
    let wide = u64::from(u32::from_ne_bytes(key)) * 0x1_0000_0001;
    let words = payload.chunks_exact(8);
    let odd = words.remainder();
    let start = out.len();
    out.resize(start + payload.len(), 0);
    let (whole, rest) = out[start..].split_at_mut(payload.len() - odd.len());
    for (to, from) in whole.chunks_exact_mut(8).zip(words) {
        let from = u64::from_ne_bytes(from.try_into().expect("eight bytes"));
        to.copy_from_slice(&(from ^ wide).to_ne_bytes());
    }
    for ((to, from), key) in rest.iter_mut().zip(odd).zip(wide.to_ne_bytes()) {
        *to = from ^ key;
    }
}
