//! One connection of a client, which waits for what it wants to read.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use sockeye::websocket::{Expect, Header};

/// A connection, and what has been read of it.
pub struct Wire {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Wire {
    pub fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            stream,
            input: Vec::new(),
        })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            n => {
                self.input.extend_from_slice(&buffer[..n]);
                Ok(())
            }
        }
    }

    /// Reads exactly these bytes.
    pub fn expect(&mut self, bytes: &[u8]) -> io::Result<()> {
        while self.input.len() < bytes.len() {
            self.read()?;
        }
        same(&self.input[..bytes.len()], bytes)?;
        self.input.drain(..bytes.len());
        Ok(())
    }

    /// Reads a response with this body.
    pub fn expect_body(&mut self, body: &[u8]) -> io::Result<()> {
        same(&self.response()?, body)
    }

    /// Reads the head of a response, and says what it is.
    pub fn head(&mut self, status: &str) -> io::Result<String> {
        let end = loop {
            let end = self.input.windows(4).position(|four| four == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None => self.read()?,
            }
        };
        let head = String::from_utf8_lossy(&self.input[..end]).to_ascii_lowercase();
        self.input.drain(..end);
        match head.split(' ').nth(1) == Some(status) {
            true => Ok(head),
            false => Err(wrong(&head)),
        }
    }

    /// Reads a response, and returns its body.
    pub fn response(&mut self) -> io::Result<Vec<u8>> {
        let head = self.head("200")?;
        let field = |name| head.lines().find_map(|line| line.strip_prefix(name));
        if let Some(len) = field("content-length:") {
            let len = len.trim().parse().map_err(|_| wrong(&head))?;
            return self.take(len);
        }
        if field("transfer-encoding:").map(str::trim) != Some("chunked") {
            return Err(wrong(&head));
        }
        let mut body = Vec::new();
        loop {
            let len = self.chunk()?;
            body.extend(self.take(len)?);
            self.expect(b"\r\n")?;
            if len == 0 {
                return Ok(body);
            }
        }
    }

    /// The length of a chunk that begins here.
    fn chunk(&mut self) -> io::Result<usize> {
        loop {
            if let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") {
                let len = self.take(end)?;
                self.expect(b"\r\n")?;
                let len = String::from_utf8_lossy(&len);
                return usize::from_str_radix(&len, 16).map_err(|_| wrong(&len));
            }
            self.read()?;
        }
    }

    fn take(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.input.len() < len {
            self.read()?;
        }
        Ok(self.input.drain(..len).collect())
    }

    /// Reads a frame of a server, and returns its payload.
    pub fn frame(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Ok(Some((header, start))) = Header::decode(&self.input, &Expect::ANY) {
                self.take(start)?;
                return self.take(header.len as usize);
            }
            self.read()?;
        }
    }
}

fn same(read: &[u8], expected: &[u8]) -> io::Result<()> {
    match read == expected {
        true => Ok(()),
        false => {
            let read: String = String::from_utf8_lossy(read).chars().take(80).collect();
            Err(wrong(&format!("not what was expected: {read:?}")))
        }
    }
}

pub fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.to_string())
}
