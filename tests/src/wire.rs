//! Frames as bytes: a second reader and writer, apart from the library's.
//!
//! It takes whole frames, checks nothing but that they are whole, and is as
//! plain as possible, since the tests take its word.

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The first byte: FIN, RSV and opcode.
    pub first: u8,
    /// The masking key, if the payload was masked.
    pub key: Option<[u8; 4]>,
    /// The payload, unmasked.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame as a client sends it, under the key of zeros.
    pub fn m0(first: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            first,
            key: Some([0; 4]),
            payload: payload.into(),
        }
    }

    /// A frame as a server sends it.
    pub fn unmasked(first: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            first,
            key: None,
            payload: payload.into(),
        }
    }

    /// The four bits of the opcode.
    pub fn opcode(&self) -> u8 {
        self.first & 0xf
    }

    /// The frame on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let bit = if self.key.is_some() { 0x80 } else { 0 };
        let mut bytes = vec![self.first];
        match self.payload.len() {
            len @ ..=125 => bytes.push(bit | len as u8),
            len @ ..=0xffff => {
                bytes.push(bit | 126);
                bytes.extend((len as u16).to_be_bytes());
            }
            len => {
                bytes.push(bit | 127);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        bytes.extend(self.key.into_iter().flatten());
        bytes.extend(mask(self.key, &self.payload));
        bytes
    }
}

/// The frames that `bytes` consist of.
///
/// # Panics
///
/// If they end inside a frame.
pub fn frames(bytes: &[u8]) -> Vec<Frame> {
    let (frames, rest) = split(bytes);
    assert!(rest.is_empty(), "half a frame: {rest:02x?}");
    frames
}

/// The whole frames at the beginning of `bytes`, and what follows them.
pub fn split(mut bytes: &[u8]) -> (Vec<Frame>, &[u8]) {
    let mut frames = Vec::new();
    while let Some((frame, rest)) = frame(bytes) {
        frames.push(frame);
        bytes = rest;
    }
    (frames, bytes)
}

/// The same frames under the key of zeros where they are masked, so that what a
/// client writes can be compared. Half a frame at the end stays as it is.
pub fn plain(bytes: &[u8]) -> Vec<u8> {
    let (frames, rest) = split(bytes);
    let zeros = |frame: &Frame| Frame {
        key: frame.key.map(|_| [0; 4]),
        ..frame.clone()
    };
    let mut plain: Vec<u8> = frames.iter().flat_map(|f| zeros(f).bytes()).collect();
    plain.extend(rest);
    plain
}

fn frame(bytes: &[u8]) -> Option<(Frame, &[u8])> {
    let (&first, bytes) = bytes.split_first()?;
    let (&second, bytes) = bytes.split_first()?;
    let (len, bytes) = match second & 0x7f {
        126 => {
            let (len, bytes) = bytes.split_first_chunk()?;
            (u64::from(u16::from_be_bytes(*len)), bytes)
        }
        127 => {
            let (len, bytes) = bytes.split_first_chunk()?;
            (u64::from_be_bytes(*len), bytes)
        }
        len => (u64::from(len), bytes),
    };
    let (key, bytes) = if second & 0x80 != 0 {
        let (key, bytes) = bytes.split_first_chunk()?;
        (Some(*key), bytes)
    } else {
        (None, bytes)
    };
    let (payload, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    let payload = mask(key, payload);
    Some((
        Frame {
            first,
            key,
            payload,
        },
        rest,
    ))
}

fn mask(key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let key = key.unwrap_or_default();
    let keys = key.iter().cycle();
    payload
        .iter()
        .zip(keys)
        .map(|(byte, key)| byte ^ key)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_come_back() {
        for len in [0, 1, 125, 126, 127, 0xffff, 0x1_0000] {
            for key in [None, Some([1, 2, 3, 4])] {
                let frame = Frame {
                    first: 0x82,
                    key,
                    payload: (0..len).map(|n: u32| n as u8).collect(),
                };
                assert_eq!(frames(&frame.bytes()), [frame.clone(), frame][..1]);
            }
        }
    }

    #[test]
    fn plain_frames_read_as_themselves() {
        let frame = Frame {
            key: Some([9, 9, 9, 9]),
            ..Frame::m0(0x81, "hi")
        };
        let bytes = [frame.bytes(), vec![0x81]].concat();
        assert_eq!(plain(&bytes), b"\x81\x82\0\0\0\0hi\x81");
    }
}
