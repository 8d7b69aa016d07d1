//! A guide for embedders: the whole contract, in the order in which it is needed.
//!
//! # How much to take
//!
//! | you have | take |
//! |---|---|
//! | an async runtime without an adapter | [`driver`](crate::driver), and an [`Io`] for its streams and timers: six short methods |
//! | blocking or completion-based input and output, a poll loop, firmware, a simulation | the machines: [`ServerHandshake`] or [`ClientHandshake`], then [`Connection`] |
//! | an HTTP library that has parsed the request | [`check_request`], or [`check_http`] for the types of `http`, whose requests a [`Request`] keeps, then a [`Connection`] on the upgraded stream |
//! | a handshake of another kind, as HTTP/2's | a [`Connection`], which needs none |
//! | your own protocol machine | [`Header`], [`Mask`], [`CloseFrame`], [`utf8`](crate::utf8) |
//!
//! # The verbs
//!
//! Every machine has the same ones. None of them blocks, reads a clock, or knows
//! where bytes come from.
//!
//! | verb | the caller tells | it answers |
//! |---|---|---|
//! | `handle_input(now, input)` | bytes have arrived | at most one event, and the rest: [`Progress`](crate::Progress) |
//! | `handle_eof(now)` | there will be no more | an event, if this is news |
//! | `handle_timeout(now)` | time has come to `now`, and there is nothing to read | an event, if a deadline has passed |
//! | `poll_timeout()` | | when to call `handle_timeout` |
//! | `send`, `accept`, `close`, … | what the application wants | an error where it may not; nothing has changed then |
//! | `poll_transmit(slices)` | | what to write next |
//! | `advance_transmit(n)` | so much was written | |
//!
//! What the peer does is never an error and never a panic: it is an event, and the
//! last event says how it ended. An error is always about what the caller asked for.
//!
//! # A whole integration
//!
//! This is a connection over any socket that does not block. Call `turn` when the
//! socket is readable or writable, when the instant that it returned has come, and
//! after a command from elsewhere. The sections below say why each line is there.
//!
//! ```
//! use sockeye::websocket::{Connection, Event, SLICES};
//! use sockeye::{Instant, Progress};
//! use std::io::{ErrorKind, IoSlice, Read, Result, Write};
//!
//! struct Peer<S> {
//!     socket: S,
//!     connection: Connection,
//!     /// Input that waits until the output has room; behind a handshake, its rest.
//!     kept: Vec<u8>,
//!     eof: bool,
//! }
//!
//! enum Turn {
//!     /// Wait for the socket, or for the instant.
//!     Wait(Option<Instant>),
//!     /// Drop the socket.
//!     Done,
//! }
//!
//! impl<S: Read + Write> Peer<S> {
//!     fn turn(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Turn> {
//!         loop {
//!             let kept = std::mem::take(&mut self.kept);
//!             self.feed(now, &mut { kept })?;
//!             let is_blocked = self.write()?;
//!             if self.connection.is_finished() {
//!                 return Ok(Turn::Done);
//!             }
//!             if self.connection.ends_writing() {
//!                 // Shut the socket down for writing, and go on reading.
//!             }
//!             if self.eof || !self.kept.is_empty() {
//!                 self.connection.handle_blocked(now);
//!                 return Ok(Turn::Wait(self.connection.poll_blocked()));
//!             }
//!             match self.socket.read(buffer) {
//!                 Ok(0) => {
//!                     self.eof = true;
//!                     self.connection.handle_eof(now);
//!                 }
//!                 Ok(n) => self.feed(now, &mut buffer[..n])?,
//!                 Err(error) if error.kind() == ErrorKind::WouldBlock => {
//!                     self.connection.handle_timeout(now);
//!                     if is_blocked || !self.connection.has_output() {
//!                         return Ok(Turn::Wait(self.connection.poll_timeout()));
//!                     }
//!                 }
//!                 Err(error) => return Err(error),
//!             }
//!         }
//!     }
//!
//!     /// Hands out what lies in the input, and keeps what has to wait.
//!     fn feed(&mut self, now: Instant, mut input: &mut [u8]) -> Result<()> {
//!         loop {
//!             let Progress { event, rest } = self.connection.handle_input(now, input);
//!             input = rest;
//!             match event {
//!                 // An echo. An error means that the connection is closing.
//!                 Some(Event::Message(message)) => drop(self.connection.send(message)),
//!                 Some(Event::Closed(reason)) => println!("{reason}"),
//!                 Some(_) => {}
//!                 None if input.is_empty() => return Ok(()),
//!                 None => {
//!                     self.write()?;
//!                     if !self.connection.has_room() {
//!                         self.kept = input.to_vec();
//!                         return Ok(());
//!                     }
//!                 }
//!             }
//!             if self.connection.is_urgent() {
//!                 self.write()?;
//!             }
//!         }
//!     }
//!
//!     /// Writes what waits. True if the socket takes no more.
//!     fn write(&mut self) -> Result<bool> {
//!         loop {
//!             let mut slices = [&[][..]; SLICES];
//!             let n = self.connection.poll_transmit(&mut slices);
//!             if n == 0 {
//!                 return Ok(false);
//!             }
//!             match self.socket.write_vectored(&slices.map(IoSlice::new)[..n]) {
//!                 Ok(0) => return Err(ErrorKind::WriteZero.into()),
//!                 Ok(n) => self.connection.advance_transmit(n),
//!                 Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
//!                 Err(error) => return Err(error),
//!             }
//!         }
//!     }
//! }
//! #
//! # use sockeye::websocket::{Config, Role};
//! # use std::collections::VecDeque;
//! # struct Memory { input: VecDeque<Vec<u8>>, output: Vec<u8>, room: usize }
//! # impl Read for Memory {
//! #     fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
//! #         let Some(read) = self.input.pop_front() else { return Err(ErrorKind::WouldBlock.into()) };
//! #         buffer[..read.len()].copy_from_slice(&read);
//! #         Ok(read.len())
//! #     }
//! # }
//! # impl Write for Memory {
//! #     fn write(&mut self, buffer: &[u8]) -> Result<usize> {
//! #         let n = buffer.len().min(self.room);
//! #         if n == 0 { return Err(ErrorKind::WouldBlock.into()) }
//! #         self.output.extend_from_slice(&buffer[..n]);
//! #         self.room -= n;
//! #         Ok(n)
//! #     }
//! #     fn flush(&mut self) -> Result<()> { Ok(()) }
//! # }
//! # let now = Instant::ZERO;
//! # let mut config = Config::default();
//! # config.max_outgoing = 1;
//! # let mut peer = Peer {
//! #     socket: Memory { input: VecDeque::new(), output: Vec::new(), room: 3 },
//! #     connection: Connection::new(Role::Server, config, now),
//! #     kept: Vec::new(),
//! #     eof: false,
//! # };
//! # let buffer = &mut [0; 1024];
//! # assert!(matches!(peer.turn(now, buffer)?, Turn::Wait(Some(_))));
//! # let frames = b"\x81\x82\0\0\0\0hi\x81\x82\0\0\0\0ho\x89\x80\0\0\0\0\x88\x82\0\0\0\0\x03\xe8";
//! # peer.socket.input.push_back(frames.to_vec());
//! # assert!(matches!(peer.turn(now, buffer)?, Turn::Wait(Some(_))));
//! # assert_eq!(peer.socket.output, b"\x81\x02h");
//! # assert!(!peer.kept.is_empty(), "the second message waits for room");
//! # peer.socket.room = 1024;
//! # assert!(matches!(peer.turn(now, buffer)?, Turn::Wait(Some(_))));
//! # assert_eq!(peer.socket.output, b"\x81\x02hi\x81\x02ho\x8a\x00\x88\x02\x03\xe8");
//! # peer.socket.input.push_back(Vec::new());
//! # assert!(matches!(peer.turn(now, buffer)?, Turn::Done));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Input
//!
//! The buffer is yours and of any size; what lies in it is unmasked in place. One
//! call takes one step: at most one event, which borrows the buffer and not the
//! machine, so commands may be given while it is at hand. Call again with the rest,
//! even an empty one, until there is no event. Then
//!
//! - an empty rest means that the machine has kept what it needs. The buffer is free,
//!   and one buffer can serve every connection of a thread: one that waits owns none;
//! - a rest means that a command or some room in the output has to come first. Keep
//!   it, and begin with it, before anything that is read later. A [`Connection`]
//!   does this while [`Config::max_outgoing`] bytes wait to be written, so a peer
//!   that does not read is not read from; a [`ServerHandshake`] does it from
//!   its request on, since the rest belongs to the connection.
//!
//! A message that lies in one input as a whole is borrowed from it. Any other is
//! collected and owned; storage grows with the bytes that arrive. To read the
//! remainder of a large binary message straight into that storage, ask for
//! [`Connection::input_space`] before a read, and report to
//! [`Connection::input_filled`]. To give a collected message's storage to the next
//! one, hand the message to [`Connection::reuse`] when you are done with it.
//!
//! # Output
//!
//! [`Connection::poll_transmit`] fills an array of slices for one vectored write, and
//! returns how many there are; report what was taken, which may end anywhere. What is
//! not written stays queued. Write before you wait, and between two steps where
//! [`Connection::is_urgent`] says so: control frames have a place for one of each
//! kind, and the pong for the next ping replaces one that waits. How long replies may
//! be collected otherwise is up to you; the driver writes when the input at hand is
//! used up, or when 16 KiB wait.
//!
//! Storage for output can be lent: give an [`OutputBuffer`] to
//! [`Connection::lend_output`] before the commands, and take it back by
//! [`Connection::reclaim_output`] after the write. One for each thread is enough: what
//! the transport has not taken moves into storage of its own size, and while such
//! storage is in use a buffer that is lent comes back at once.
//!
//! # Time
//!
//! An [`Instant`](crate::Instant) counts nanoseconds from a moment of your choice. One
//! reading of the clock serves all calls of a turn. When a read has found nothing,
//! call `handle_timeout`, and afterwards ask `poll_timeout` when to be back; calling
//! early does nothing. A deadline that has moved later needs no new timer: let the
//! old one fire, and ask again.
//!
//! A peer's silence is judged by [`Connection::handle_timeout`] alone, so a busy
//! application does not kill a peer whose answer lies in the socket unread. While
//! input is left alone for want of room, or writing is all that is done, call
//! [`Connection::handle_blocked`] and ask [`Connection::poll_blocked`] instead: they
//! know of the deadlines for writing and closing only. Commands do not take the time:
//! after [`Connection::close`], `poll_timeout` names an instant that has come, and with
//! the call that follows the deadline for the answer begins to run.
//!
//! # Commands
//!
//! They take effect at once or not at all. [`SendError::Full`] means that
//! [`Config::max_outgoing`] bytes wait already; a message of any size is taken while
//! fewer do, so the queue holds that and one message at the most. As input is handed
//! out only while there is room, one reply to one message always finds some.
//!
//! A large message can be received while it arrives, in the chunks of
//! [`Receive::Chunks`], and sent while it is made, by [`Connection::start`] and
//! [`Connection::part`].
//!
//! # The end
//!
//! [`Event::Closed`] is the last event, and says how it came to that. Afterwards input
//! is discarded and commands fail, but three things remain to be done, by the same
//! loop:
//!
//! 1. write until nothing waits: the Close is the last frame;
//! 2. shut down writing when [`Connection::ends_writing`], and go on reading: a socket
//!    that is closed with input unread may take the Close with it;
//! 3. drop the transport when [`Connection::is_finished`]. At the end of input, or after
//!    [`Config::close_timeout`], it is.
//!
//! A transport that fails can be dropped on the spot, with the connection.
//!
//! # The opening handshake
//!
//! A server gives its input to a [`ServerHandshake`] until there is an event. After
//! [`ServerEvent::Request`] the application looks at the request and accepts or
//! rejects it; write until [`ServerHandshake::is_accepted`], and go on with a
//! [`Connection`] that is given the rest of the input first. One deadline covers all
//! of it. After a rejection, and after the answer to a request that is none, shut
//! down writing and read for a little longer, as at the end of a connection.
//!
//! A client writes the request of a [`ClientHandshake`] and reads until there is an
//! event; with [`ClientEvent::Open`] comes the rest of the input. It needs two sources
//! of randomness: sixteen bytes for the handshake, and a [`MaskSource`] that gives
//! four for each frame, both from a generator whose numbers cannot be foreseen.
//!
//! Where an HTTP library has read the request, give its headers to [`check_request`]:
//! the same rules are applied, and the answer comes back as a status and headers.
//!
//! # Without a standard library
//!
//! Switch default features off. What remains needs `alloc`, and atomics as `Arc` does;
//! the whole protocol and the driver are there, and what is missing are its halves,
//! its groups, and buffers that a thread lends. No feature changes what a machine does.
//!
//! [`Config::close_timeout`]: crate::websocket::Config::close_timeout
//! [`Config::max_outgoing`]: crate::websocket::Config::max_outgoing
//! [`Connection`]: crate::websocket::Connection
//! [`Connection::close`]: crate::websocket::Connection::close
//! [`Connection::ends_writing`]: crate::websocket::Connection::ends_writing
//! [`Connection::handle_blocked`]: crate::websocket::Connection::handle_blocked
//! [`Connection::handle_timeout`]: crate::websocket::Connection::handle_timeout
//! [`Connection::input_filled`]: crate::websocket::Connection::input_filled
//! [`Connection::input_space`]: crate::websocket::Connection::input_space
//! [`Connection::is_finished`]: crate::websocket::Connection::is_finished
//! [`Connection::is_urgent`]: crate::websocket::Connection::is_urgent
//! [`Connection::lend_output`]: crate::websocket::Connection::lend_output
//! [`Connection::part`]: crate::websocket::Connection::part
//! [`Connection::poll_blocked`]: crate::websocket::Connection::poll_blocked
//! [`Connection::poll_transmit`]: crate::websocket::Connection::poll_transmit
//! [`Connection::reclaim_output`]: crate::websocket::Connection::reclaim_output
//! [`Connection::reuse`]: crate::websocket::Connection::reuse
//! [`Connection::start`]: crate::websocket::Connection::start
//! [`CloseFrame`]: crate::websocket::CloseFrame
//! [`Event::Closed`]: crate::websocket::Event::Closed
//! [`Header`]: crate::websocket::Header
//! [`Mask`]: crate::websocket::Mask
//! [`MaskSource`]: crate::websocket::MaskSource
//! [`OutputBuffer`]: crate::websocket::OutputBuffer
//! [`Receive::Chunks`]: crate::websocket::Receive::Chunks
//! [`SendError::Full`]: crate::websocket::SendError::Full
//! [`Io`]: crate::driver::Io
//! [`ClientEvent::Open`]: crate::websocket::handshake::ClientEvent::Open
//! [`ClientHandshake`]: crate::websocket::handshake::ClientHandshake
//! [`ServerEvent::Request`]: crate::websocket::handshake::ServerEvent::Request
//! [`ServerHandshake`]: crate::websocket::handshake::ServerHandshake
//! [`ServerHandshake::is_accepted`]: crate::websocket::handshake::ServerHandshake::is_accepted
//! [`Request`]: crate::websocket::handshake::Request
//! [`check_request`]: crate::websocket::handshake::check_request
#![cfg_attr(
    feature = "http",
    doc = "[`check_http`]: crate::websocket::handshake::check_http"
)]
#![cfg_attr(
    not(feature = "http"),
    doc = "[`check_http`]: crate::websocket::handshake"
)]
