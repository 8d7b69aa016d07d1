//! An echo server over the sockets of `std`, a thread for each connection and no
//! runtime: all that it takes to drive the machines.
//!
//! ```text
//! cargo run -p sockeye --example blocking_echo -- --port 9001 [--once]
//! ```
//!
//! With `--once` it ends after the first connection.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use sockeye::websocket::handshake::{
    Origins, Response, ServerEvent, ServerHandshake, ServerOptions,
};
use sockeye::websocket::{Config, Connection, Event, Role, SLICES};
use sockeye::{Instant, Progress};

fn main() -> io::Result<()> {
    let mut port = std::env::args().skip_while(|argument| argument != "--port");
    let port = port
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(9001);
    let once = std::env::args().any(|argument| argument == "--once");
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let mut socket = Socket::new(stream?)?;
        let thread = thread::spawn(move || {
            if let Err(error) = socket.serve() {
                eprintln!("{error}");
            }
        });
        if once {
            let _ = thread.join();
            break;
        }
    }
    Ok(())
}

/// A socket, a clock, and the bytes that were read: `buffer[input]`.
struct Socket {
    stream: TcpStream,
    epoch: std::time::Instant,
    buffer: Vec<u8>,
    input: usize,
}

/// What reading has brought.
enum Arrived {
    Bytes,
    Eof,
    /// The deadline has come first.
    Timeout,
}

impl Socket {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        // A peer that takes nothing is given up. One that sends nothing has the
        // deadlines of the machines.
        stream.set_write_timeout(Some(Duration::from_secs(30)))?;
        let epoch = std::time::Instant::now();
        Ok(Self {
            stream,
            epoch,
            buffer: vec![0; 64 * 1024],
            input: 0,
        })
    }

    fn serve(&mut self) -> io::Result<()> {
        if self.shake_hands()? {
            self.echo()?;
        }
        Ok(())
    }

    /// Accepts every valid request. `false`: there was none, and it was refused.
    fn shake_hands(&mut self) -> io::Result<bool> {
        let mut handshake = ServerHandshake::new(ServerOptions::new(Origins::Any), self.now());
        loop {
            let event = match self.read(handshake.poll_timeout())? {
                Arrived::Bytes => {
                    let now = self.now();
                    let input = self.buffer.get_mut(..self.input).unwrap_or_default();
                    let Progress { event, rest } = handshake.handle_input(now, input);
                    let used = self.input - rest.len();
                    self.consume(used);
                    event
                }
                Arrived::Eof => handshake.handle_eof(self.now()),
                Arrived::Timeout => handshake.handle_timeout(self.now()),
            };
            if let Some(ServerEvent::Request) = event {
                handshake
                    .accept(&Response::new())
                    .map_err(io::Error::other)?;
            }
            // The 101, or the answer to a bad request.
            loop {
                let mut slices = [&[][..]; SLICES];
                let n = handshake.poll_transmit(&mut slices);
                let written = write_all(&mut self.stream, &slices, n)?;
                if written == 0 {
                    break;
                }
                handshake.advance_transmit(written);
            }
            if event.is_some() {
                return Ok(handshake.is_accepted());
            }
        }
    }

    /// The four things that a connection wants: input, output, the end, the time.
    fn echo(&mut self) -> io::Result<()> {
        let mut connection = Connection::new(Role::Server, Config::default(), self.now());
        loop {
            // Input: one event at a time, and what is not used up yet.
            let now = self.now();
            let mut input = self.buffer.get_mut(..self.input).unwrap_or_default();
            loop {
                let Progress { event, rest } = connection.handle_input(now, input);
                input = rest;
                match event {
                    // The message is still part of the buffer.
                    Some(Event::Message(message)) => drop(connection.send(message)),
                    Some(_) => {}
                    // Used up; or so much waits to be written that this comes first.
                    None => break,
                }
            }
            let used = self.input - input.len();
            self.consume(used);

            // Output: all of it, since the socket blocks until it is taken.
            loop {
                let mut slices = [&[][..]; SLICES];
                let n = connection.poll_transmit(&mut slices);
                let written = write_all(&mut self.stream, &slices, n)?;
                if written == 0 {
                    break;
                }
                connection.advance_transmit(written);
            }
            if connection.ends_writing() {
                let _ = self.stream.shutdown(Shutdown::Write);
            }
            if connection.is_finished() {
                return Ok(());
            }
            if self.input > 0 {
                continue;
            }

            // The end, and the time.
            match self.read(connection.poll_timeout())? {
                Arrived::Bytes => {}
                Arrived::Eof => drop(connection.handle_eof(self.now())),
                Arrived::Timeout => drop(connection.handle_timeout(self.now())),
            }
        }
    }

    /// Reads once, until `deadline` at the longest.
    fn read(&mut self, deadline: Option<Instant>) -> io::Result<Arrived> {
        let wait = deadline.map(|deadline| deadline.since(self.now()));
        // A timeout of zero means none to the socket.
        let wait = wait.map(|wait| wait.max(Duration::from_millis(1)));
        self.stream.set_read_timeout(wait)?;
        loop {
            let space = self.buffer.get_mut(self.input..).unwrap_or_default();
            match self.stream.read(space) {
                Ok(0) => return Ok(Arrived::Eof),
                Ok(n) => {
                    self.input += n;
                    return Ok(Arrived::Bytes);
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(Arrived::Timeout),
                    _ => return Err(error),
                },
            }
        }
    }

    /// Forgets input that has been handled.
    fn consume(&mut self, used: usize) {
        self.buffer.copy_within(used..self.input, 0);
        self.input -= used;
    }

    fn now(&self) -> Instant {
        Instant::ZERO.after(self.epoch.elapsed())
    }
}

/// Writes the first `n` slices, and returns how many bytes they are.
fn write_all(stream: &mut TcpStream, slices: &[&[u8]; SLICES], n: usize) -> io::Result<usize> {
    let mut written = 0;
    for slice in slices.iter().take(n) {
        stream.write_all(slice)?;
        written += slice.len();
    }
    Ok(written)
}
