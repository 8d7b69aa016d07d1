//! Random streams of frames: valid ones, and ones that break one rule.

use fastrand::Rng;

/// The most bytes of a message that both sides are told to take.
pub const MAX_MESSAGE: usize = 70_000;

/// Who reads the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Server,
    Client,
}

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    None,
    /// It ends inside a frame or a message.
    CutOff,
    ReservedBit,
    ReservedOpcode,
    WrongMasking,
    LongLength,
    LengthTopBit,
    FragmentedControl,
    LongControl,
    StrayContinuation,
    MissingContinuation,
    TextNotUtf8,
    /// As before, with the rest of the frame still missing.
    TextNotUtf8CutOff,
    CloseOfOneByte,
    CloseCode,
    CloseReasonNotUtf8,
    TooBig,
    TooBigInFragments,
}

const FAULTS: [Fault; 17] = [
    Fault::CutOff,
    Fault::ReservedBit,
    Fault::ReservedOpcode,
    Fault::WrongMasking,
    Fault::LongLength,
    Fault::LengthTopBit,
    Fault::FragmentedControl,
    Fault::LongControl,
    Fault::StrayContinuation,
    Fault::MissingContinuation,
    Fault::TextNotUtf8,
    Fault::TextNotUtf8CutOff,
    Fault::CloseOfOneByte,
    Fault::CloseCode,
    Fault::CloseReasonNotUtf8,
    Fault::TooBig,
    Fault::TooBigInFragments,
];

/// Bytes for one reader, and what is wrong with them.
#[derive(Clone, Debug)]
pub struct Stream {
    pub reader: Reader,
    pub fault: Fault,
    pub bytes: Vec<u8>,
    /// Where the reader's input is cut.
    pub cuts: Vec<usize>,
}

impl Stream {
    /// The stream that belongs to a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let reader = *[Reader::Server, Reader::Client]
            .get(rng.usize(..2))
            .expect("two");
        let mut writer = Writer {
            rng,
            masked: reader == Reader::Server,
            bytes: Vec::new(),
        };
        let fault = writer.stream();
        let Writer { mut rng, bytes, .. } = writer;
        let mut cuts: Vec<usize> = (0..rng.usize(..6))
            .map(|_| rng.usize(..=bytes.len()))
            .collect();
        cuts.sort_unstable();
        Self {
            reader,
            fault,
            bytes,
            cuts,
        }
    }

    /// The bytes in the pieces in which they are read.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.cuts.iter().copied());
        let ends = self.cuts.iter().copied().chain([self.bytes.len()]);
        starts
            .zip(ends)
            .map(|(start, end)| &self.bytes[start..end])
            .filter(|p| !p.is_empty())
    }
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The parts of a frame that can be wrong.
struct Frame<'p> {
    fin: bool,
    rsv: u8,
    opcode: u8,
    payload: &'p [u8],
    /// The length is said to be this, and in this form: 0, 2 or 8 bytes.
    len: u64,
    form: usize,
    masked: bool,
}

impl<'p> Frame<'p> {
    fn new(opcode: u8, payload: &'p [u8], masked: bool) -> Self {
        let len = payload.len() as u64;
        Self {
            fin: true,
            rsv: 0,
            opcode,
            payload,
            len,
            form: match len {
                0..=125 => 0,
                126..=0xffff => 2,
                _ => 8,
            },
            masked,
        }
    }
}

struct Writer {
    rng: Rng,
    masked: bool,
    bytes: Vec<u8>,
}

impl Writer {
    /// Writes a stream, and says what is wrong with it.
    fn stream(&mut self) -> Fault {
        for _ in 0..self.rng.usize(..8) {
            self.valid();
        }
        let fault = match self.rng.bool() {
            true => self.rng.choice(FAULTS).expect("there are faults"),
            false => Fault::None,
        };
        self.fault(fault);
        if matches!(fault, Fault::CutOff | Fault::TextNotUtf8CutOff) {
            return fault;
        }
        for _ in 0..self.rng.usize(..3) {
            self.valid();
        }
        if self.rng.bool() {
            self.close();
            // What follows a Close is not read.
            for _ in 0..self.rng.usize(..3) {
                self.valid();
            }
        }
        fault
    }

    /// A message, or a control frame.
    fn valid(&mut self) {
        match self.rng.u8(..4) {
            0 => self.control(),
            _ => self.message(),
        }
    }

    fn message(&mut self) {
        let text = self.rng.bool();
        let payload = match text {
            true => self.text().into_bytes(),
            false => self.binary(),
        };
        self.fragments(if text { TEXT } else { BINARY }, &payload);
    }

    /// A message in one to five frames, with control frames between them.
    fn fragments(&mut self, opcode: u8, payload: &[u8]) {
        let mut cuts: Vec<usize> = match self.rng.bool() {
            true => Vec::new(),
            false => (0..self.rng.usize(..5))
                .map(|_| self.rng.usize(..=payload.len()))
                .collect(),
        };
        cuts.sort_unstable();
        cuts.push(payload.len());
        let (mut start, last) = (0, cuts.len() - 1);
        for (n, end) in cuts.into_iter().enumerate() {
            let opcode = if n == 0 { opcode } else { 0 };
            self.frame(Frame {
                fin: n == last,
                ..Frame::new(opcode, &payload[start..end], self.masked)
            });
            start = end;
            if n < last && self.rng.u8(..4) == 0 {
                self.control();
            }
        }
    }

    fn control(&mut self) {
        let opcode = if self.rng.bool() { PING } else { PONG };
        let len = self.rng.choice([0, 1, 8, 124, 125]).expect("a length");
        let payload = self.some(len);
        self.frame(Frame::new(opcode, &payload, self.masked));
    }

    fn close(&mut self) {
        let codes: [u16; 13] = [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
        ];
        let mut payload = Vec::new();
        if self.rng.bool() {
            payload.extend(self.rng.choice(codes).expect("a code").to_be_bytes());
            let reason = self.text();
            let reason = reason
                .char_indices()
                .take_while(|(at, c)| at + c.len_utf8() <= 123);
            payload.extend(reason.map(|(_, c)| c).collect::<String>().bytes());
        }
        self.frame(Frame::new(CLOSE, &payload, self.masked));
    }

    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::None => {}
            Fault::CutOff => self.cut_off(),
            Fault::ReservedBit => {
                let rsv = self.rng.choice([0x40, 0x20, 0x10, 0x70]).expect("a bit");
                self.broken(|frame| frame.rsv = rsv);
            }
            Fault::ReservedOpcode => {
                let opcode = self.rng.choice([3, 4, 7, 11, 12, 15]).expect("an opcode");
                self.broken(|frame| frame.opcode = opcode);
            }
            Fault::WrongMasking => self.broken(|frame| frame.masked = !frame.masked),
            Fault::LongLength => {
                let form = self.rng.choice([2, 8]).expect("a form");
                self.broken(|frame| frame.form = form);
            }
            Fault::LengthTopBit => self.broken(|frame| {
                frame.form = 8;
                frame.len |= 1 << 63;
            }),
            Fault::FragmentedControl => {
                let payload = self.some(5);
                self.frame(Frame {
                    fin: false,
                    ..Frame::new(PING, &payload, self.masked)
                });
            }
            Fault::LongControl => {
                let payload = self.some(126);
                let opcode = self.rng.choice([CLOSE, PING, PONG]).expect("an opcode");
                self.frame(Frame::new(opcode, &payload, self.masked));
            }
            Fault::StrayContinuation => self.broken(|frame| frame.opcode = 0),
            Fault::MissingContinuation => {
                let payload = self.some(5);
                self.frame(Frame {
                    fin: false,
                    ..Frame::new(BINARY, &payload, self.masked)
                });
                self.frame(Frame::new(BINARY, &payload, self.masked));
            }
            Fault::TextNotUtf8 => {
                let text = self.not_utf8();
                self.fragments(TEXT, &text);
            }
            Fault::TextNotUtf8CutOff => {
                let text = self.not_utf8();
                self.frame(Frame {
                    len: text.len() as u64 + 1,
                    ..Frame::new(TEXT, &text, self.masked)
                });
            }
            Fault::CloseOfOneByte => self.frame(Frame::new(CLOSE, &[3], self.masked)),
            Fault::CloseCode => {
                let codes = [
                    0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535,
                ];
                let code: u16 = self.rng.choice(codes).expect("a code");
                self.frame(Frame::new(CLOSE, &code.to_be_bytes(), self.masked));
            }
            Fault::CloseReasonNotUtf8 => {
                let payload = [&1000_u16.to_be_bytes()[..], b"so\xff"].concat();
                self.frame(Frame::new(CLOSE, &payload, self.masked));
            }
            Fault::TooBig => {
                let payload = self.some(MAX_MESSAGE + 1);
                self.frame(Frame::new(BINARY, &payload, self.masked));
            }
            Fault::TooBigInFragments => {
                let half = self.some(MAX_MESSAGE / 2 + 1);
                self.frame(Frame {
                    fin: false,
                    ..Frame::new(BINARY, &half, self.masked)
                });
                self.frame(Frame::new(0, &half, self.masked));
            }
        }
    }

    /// A short final frame with one thing wrong.
    fn broken(&mut self, breaks: impl FnOnce(&mut Frame<'_>)) {
        let payload = self.some(5);
        let mut frame = Frame::new(BINARY, &payload, self.masked);
        breaks(&mut frame);
        self.frame(frame);
    }

    /// A frame or a message that stops in the middle.
    fn cut_off(&mut self) {
        let start = self.bytes.len();
        self.message();
        let end = self.rng.usize(start..self.bytes.len());
        self.bytes.truncate(end);
    }

    fn frame(&mut self, frame: Frame<'_>) {
        let first = if frame.fin { 0x80 } else { 0 } | frame.rsv | frame.opcode;
        let mask = if frame.masked { 0x80 } else { 0 };
        self.bytes.push(first);
        match frame.form {
            0 => self.bytes.push(mask | frame.len as u8),
            2 => {
                self.bytes.push(mask | 126);
                self.bytes.extend((frame.len as u16).to_be_bytes());
            }
            _ => {
                self.bytes.push(mask | 127);
                self.bytes.extend(frame.len.to_be_bytes());
            }
        }
        if !frame.masked {
            self.bytes.extend(frame.payload);
            return;
        }
        let key = self.rng.u32(..).to_be_bytes();
        self.bytes.extend(key);
        let masked = frame.payload.iter().zip(key.iter().cycle());
        self.bytes.extend(masked.map(|(byte, key)| byte ^ key));
    }

    fn some(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.rng.fill(&mut bytes);
        bytes
    }

    fn binary(&mut self) -> Vec<u8> {
        let lens = [0, 1, 5, 14, 125, 126, 127, 1000, 4097];
        let len = match self.rng.u8(..40) {
            0 => self
                .rng
                .choice([65535, 65536, MAX_MESSAGE])
                .expect("a length"),
            _ => self.rng.choice(lens).expect("a length"),
        };
        self.some(len)
    }

    fn text(&mut self) -> String {
        let letters = [
            'a',
            'z',
            '\0',
            'é',
            '߿',
            'ࠀ',
            '한',
            '\u{ffff}',
            '😀',
            '\u{10ffff}',
        ];
        let len = self.rng.choice([0, 1, 3, 40, 130]).expect("a length");
        (0..len)
            .map(|_| self.rng.choice(letters).expect("a letter"))
            .collect()
    }

    /// Text with something in it that no text has, and a letter after that.
    fn not_utf8(&mut self) -> Vec<u8> {
        let bad: [&[u8]; 8] = [
            b"\xff",
            b"\x80",
            b"\xc0\x80",
            b"\xe0\x80\x80",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xf5\x80\x80\x80",
            b"\xe2\x82",
        ];
        let mut text = self.text().into_bytes();
        text.extend(self.rng.choice(bad).expect("something bad"));
        text.push(b'a');
        text
    }
}
