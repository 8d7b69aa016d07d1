//! What is sent: payloads, and the frames of a client around them.

/// A payload, and what it is.
#[derive(Clone, Debug)]
pub struct Payload {
    pub bytes: Vec<u8>,
    pub text: bool,
}

impl Payload {
    /// Bytes without a pattern that a shortcut could find.
    pub fn binary(len: usize) -> Self {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let bytes = (0..len).map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 32) as u8
        });
        Self {
            bytes: bytes.collect(),
            text: false,
        }
    }

    /// Text in ASCII.
    pub fn ascii(len: usize) -> Self {
        let words = b"{\"id\":4711,\"name\":\"kingfisher\",\"at\":[51.5,7.46]},";
        Self {
            bytes: words.iter().copied().cycle().take(len).collect(),
            text: true,
        }
    }

    /// Text of three bytes a letter, with a space now and then.
    pub fn korean(len: usize) -> Self {
        let words = "물총새는 파랑새목 물총새과에 속하는 새이다 ";
        let mut text = String::new();
        for letter in words.chars().cycle() {
            if text.len() + letter.len_utf8() > len {
                break;
            }
            text.push(letter);
        }
        while text.len() < len {
            text.push(' ');
        }
        Self {
            bytes: text.into_bytes(),
            text: true,
        }
    }

    fn first_byte(&self) -> u8 {
        if self.text { 0x81 } else { 0x82 }
    }

    /// The frame of a client, masked with a key of its own number.
    pub fn masked(&self, number: u32) -> Vec<u8> {
        let key = number
            .wrapping_mul(0x9e37_79b9)
            .wrapping_add(1)
            .to_be_bytes();
        let mut frame = vec![self.first_byte()];
        push_len(0x80, self.bytes.len(), &mut frame);
        frame.extend(key);
        frame.extend(
            self.bytes
                .iter()
                .zip(key.iter().cycle())
                .map(|(b, k)| b ^ k),
        );
        frame
    }

    /// The frame of a server.
    pub fn plain(&self) -> Vec<u8> {
        let mut frame = vec![self.first_byte()];
        push_len(0, self.bytes.len(), &mut frame);
        frame.extend(&self.bytes);
        frame
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
