//! The load: prebuilt frames over many connections, on a processor of its own.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::scenario::Echo;

/// What keeps a server busy.
pub trait Generator {
    /// For so long. Returns how many messages came back.
    fn run_for(&mut self, time: Duration) -> io::Result<u64>;

    /// For as many messages as a simulator can bear.
    fn run_some(&mut self) -> io::Result<u64>;

    /// How long what is measured took in the last run, in nanoseconds, if that is
    /// another time than the whole of it.
    fn latency(&self) -> Option<f64> {
        None
    }
}

/// The connections of one scenario.
pub struct Load {
    poll: Poll,
    connections: Vec<Connection>,
    /// What each sends at once, and what it gets for that.
    request: Vec<u8>,
    reply: Vec<u8>,
    messages: u64,
    /// How many rounds are some.
    some: u64,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// How much of the request is sent, and of the reply received.
    sent: usize,
    received: usize,
}

impl Load {
    /// Connects. `raw` is for a server that sends back the frames as they are.
    pub fn new(echo: &Echo, port: u16, raw: bool) -> io::Result<Self> {
        let request = echo.payload.masked(echo.in_flight);
        let reply = match raw {
            true => request.clone(),
            false => echo.payload.plain(echo.in_flight),
        };
        let poll = Poll::new()?;
        let mut connections = Vec::new();
        for n in 0..echo.connections {
            let stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(n), interest)?;
            connections.push(Connection {
                stream,
                sent: 0,
                received: 0,
            });
        }
        Ok(Self {
            poll,
            connections,
            request,
            reply,
            messages: echo.in_flight as u64,
            some: some(echo),
            buffer: vec![0; 1 << 20],
        })
    }

    /// Sends rounds on every connection while `more` says so, and returns how
    /// many messages came back when all have.
    fn run(&mut self, mut more: impl FnMut(u64) -> bool) -> io::Result<u64> {
        let (mut rounds, mut open) = (0, 0);
        for n in 0..self.connections.len() {
            self.send(n)?;
            open += 1;
        }
        let mut events = Events::with_capacity(1024);
        while open > 0 {
            self.poll.poll(&mut events, Some(Duration::from_secs(60)))?;
            if events.is_empty() {
                return Err(io::Error::new(ErrorKind::TimedOut, "no reply for a minute"));
            }
            for event in &events {
                let n = event.token().0;
                if event.is_writable() && self.connections[n].sent < self.request.len() {
                    self.write(n)?;
                }
                if !event.is_readable() || !self.read(n)? {
                    continue;
                }
                rounds += 1;
                if more(rounds) {
                    self.send(n)?;
                } else {
                    open -= 1;
                }
            }
        }
        Ok(rounds * self.messages)
    }

    fn send(&mut self, n: usize) -> io::Result<()> {
        self.connections[n].sent = 0;
        self.connections[n].received = 0;
        self.write(n)
    }

    fn write(&mut self, n: usize) -> io::Result<()> {
        let connection = &mut self.connections[n];
        while connection.sent < self.request.len() {
            match connection.stream.write(&self.request[connection.sent..]) {
                Ok(n) => connection.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads and compares what is there; true if the reply is complete.
    fn read(&mut self, n: usize) -> io::Result<bool> {
        let connection = &mut self.connections[n];
        while connection.received < self.reply.len() {
            let read = match connection.stream.read(&mut self.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            let expected = &self.reply[connection.received..];
            if expected.get(..read) != Some(&self.buffer[..read]) {
                return Err(io::Error::new(ErrorKind::InvalidData, "not the echo"));
            }
            connection.received += read;
        }
        Ok(connection.received == self.reply.len() && connection.sent == self.request.len())
    }
}

impl Generator for Load {
    fn run_for(&mut self, time: Duration) -> io::Result<u64> {
        let began = Instant::now();
        self.run(|_| began.elapsed() < time)
    }

    fn run_some(&mut self) -> io::Result<u64> {
        let (open, some) = (self.connections.len() as u64, self.some);
        self.run(|done| done + open <= some)
    }
}

fn some(echo: &Echo) -> u64 {
    let messages = ((64 << 20) / echo.payload.len()).clamp(40, 6400);
    (messages / echo.in_flight).max(2 * echo.connections) as u64
}
