//! What is sent: payloads, and the frames of a client around them.

/// A payload of so many bytes, which is made when it is needed.
#[derive(Clone, Copy, Debug)]
pub enum Payload {
    /// Bytes without a pattern that a shortcut could find.
    Binary(usize),
    /// Text in ASCII.
    Ascii(usize),
    /// Text of three bytes a letter, with a space now and then.
    Korean(usize),
    /// Text behind a star, which servers of Engine.IO send to everybody here.
    News(usize),
}

impl Payload {
    pub fn len(self) -> usize {
        match self {
            Self::Binary(len) | Self::Ascii(len) | Self::Korean(len) | Self::News(len) => len,
        }
    }

    pub fn bytes(self) -> Vec<u8> {
        match self {
            Self::Binary(len) => binary(len),
            Self::Ascii(len) => ascii(len),
            Self::Korean(len) => korean(len),
            Self::News(len) => [b"*", &ascii(len - 1)[..]].concat(),
        }
    }

    /// Frames of a client, one after the other, each masked with a key of its own.
    pub fn masked(self, frames: usize) -> Vec<u8> {
        let bytes = self.bytes();
        let mut out = Vec::with_capacity(frames * (bytes.len() + 14));
        for number in 0..frames as u32 {
            let key = number
                .wrapping_mul(0x9e37_79b9)
                .wrapping_add(1)
                .to_be_bytes();
            push_frame(self.first_byte(), Some(key), &bytes, &mut out);
        }
        out
    }

    /// Frames of a server, one after the other.
    pub fn plain(self, frames: usize) -> Vec<u8> {
        let bytes = self.bytes();
        let mut out = Vec::with_capacity(frames * (bytes.len() + 10));
        for _ in 0..frames {
            push_frame(self.first_byte(), None, &bytes, &mut out);
        }
        out
    }

    fn first_byte(self) -> u8 {
        match self {
            Self::Binary(_) => 0x82,
            Self::Ascii(_) | Self::Korean(_) | Self::News(_) => 0x81,
        }
    }
}

fn binary(len: usize) -> Vec<u8> {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    });
    let mut bytes = Vec::with_capacity(len + 8);
    words
        .take(len.div_ceil(8))
        .for_each(|word| bytes.extend(word.to_le_bytes()));
    bytes.truncate(len);
    bytes
}

fn ascii(len: usize) -> Vec<u8> {
    let words = b"{\"id\":4711,\"name\":\"kingfisher\",\"at\":[51.5,7.46]},";
    words.iter().copied().cycle().take(len).collect()
}

fn korean(len: usize) -> Vec<u8> {
    let mut text = String::new();
    for letter in "물총새는 파랑새목 물총새과에 속하는 새이다 "
        .chars()
        .cycle()
    {
        if text.len() + letter.len_utf8() > len {
            break;
        }
        text.push(letter);
    }
    let mut bytes = text.into_bytes();
    bytes.resize(len, b' ');
    bytes
}

/// Appends a frame, masked if there is a key.
pub fn push_frame(first: u8, key: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match key {
        Some(key) => {
            push_len(0x80, payload.len(), out);
            out.extend(key);
            out.extend(payload.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k));
        }
        None => {
            push_len(0, payload.len(), out);
            out.extend(payload);
        }
    }
}

fn push_len(mask: u8, len: usize, frame: &mut Vec<u8>) {
    match len {
        0..=125 => frame.push(mask | len as u8),
        126..=0xffff => {
            frame.push(mask | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        _ => {
            frame.push(mask | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
}
