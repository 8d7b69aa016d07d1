//! A connection that runs a script: input, commands and the passing of time.
//!
//! [`play`] runs one, under a way of reading and a way of writing, and gives
//! what could be seen of it, operation by operation. What must not be seen, the
//! places where input was cut and output taken, is left out; so two runs of a
//! script under different [`Feed`]s and [`Drain`]s are simply compared.
//!
//! What holds at all times is asserted at every step: see [`Player`].

use std::time::Duration;

use sockeye::websocket::{
    Chunk, CloseCode, Config, Connection, Event, Kind, MaskSource, Message, OutputBuffer, Receive,
    Role, SLICES, SendError,
};
use sockeye::{Instant, Progress};

use crate::cuts::Random;

/// What a script begins with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whether the connection is the client's end.
    pub is_client: bool,
    /// Its limits and deadlines.
    pub config: Config,
    /// How many masking keys there are before their source fails.
    pub keys: u32,
    /// Whether whole messages are sent back.
    pub echo: bool,
    /// Whether storage for output is lent around every operation.
    pub lend: bool,
}

impl Setup {
    /// A server, or a client with all the keys it needs.
    pub fn new(is_client: bool, config: Config) -> Self {
        Self {
            is_client,
            config,
            keys: u32::MAX,
            echo: false,
            lend: false,
        }
    }

    /// The connection.
    pub fn connection(&self) -> Connection {
        let mut left = self.keys;
        let mut random = Random::new(1);
        let keys = MaskSource::boxed(move || {
            left = left.checked_sub(1)?;
            Some((random.next() as u32 | 1).to_be_bytes())
        });
        let role = match self.is_client {
            true => Role::Client(keys),
            false => Role::Server,
        };
        Connection::new(role, self.config.clone(), Instant::ZERO)
    }
}

/// An operation. Payloads are of a given size, with contents that tell them
/// apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// The peer sends these bytes.
    Input(Vec<u8>),
    /// The peer sends no more.
    Eof,
    /// Time passes, and nothing comes.
    Wait(Duration),
    /// The clock jumps, to any time at all, and nothing comes.
    Clock(Instant),
    /// A message is sent, from a borrowed payload.
    Send(Kind, usize),
    /// A message is sent, with its payload handed over.
    SendOwned(Kind, usize),
    /// A binary message is sent whose payload others share.
    SendBytes(usize),
    /// A message in parts begins.
    Start(Kind),
    /// A part of it, and whether it is the last.
    Part(usize, bool),
    /// A part of these bytes.
    PartOf(Vec<u8>, bool),
    /// A ping.
    Ping(usize),
    /// A pong.
    Pong(usize),
    /// A close with this code, or 1000 if there is none such, and a reason.
    Close(u16, usize),
    /// Messages are handed over in another way.
    Receive(Receive),
    /// The transport takes so many bytes, where it takes none by itself.
    Transmit(usize),
}

/// How input is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// All that comes between two other operations at once.
    Whole,
    /// Each byte for itself.
    Bytes,
    /// In pieces whose sizes this seed chooses.
    Random(u64),
    /// As before, read into the storage of large messages where that is offered.
    Direct(u64),
}

/// How output is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// All of it, after every step.
    All,
    /// All of it, after every step, in pieces whose sizes this seed chooses.
    Random(u64),
    /// By [`Op::Transmit`] alone.
    Scripted,
}

/// What could be seen of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Why the command was refused, if it was.
    pub refused: Option<SendError>,
    /// What happened; chunks that follow each other are joined.
    pub events: Vec<Event<'static>>,
    /// What was written.
    pub output: Vec<u8>,
    /// The next deadline.
    pub deadline: Option<Instant>,
    /// Whether the connection is open, closed, done with writing, finished.
    pub state: [bool; 4],
}

/// Runs a script.
pub fn play(setup: &Setup, script: &[Op], feed: Feed, drain: Drain) -> Vec<Seen> {
    let mut player = Player::new(setup, feed, drain);
    let mut record = Vec::new();
    for op in script {
        record.push(Seen {
            refused: None,
            events: Vec::new(),
            output: Vec::new(),
            deadline: None,
            state: [false; 4],
        });
        player.record = record;
        let refused = player.run(op).err();
        record = std::mem::take(&mut player.record);
        if let Some(seen) = record.last_mut() {
            seen.refused = refused;
            seen.deadline = player.connection.poll_timeout();
            seen.state = player.state();
        }
    }
    record
}

/// A connection while it runs a script.
///
/// It asserts, at every step, that
///
/// - a step leaves input unread only where there is no room for output, and
///   there are at most as many steps as bytes allow;
/// - no event follows [`Event::Closed`], and commands are refused from then on;
/// - the next deadline is later than the time that was just handled;
/// - what is offered for writing goes on where the last write stopped.
#[derive(Debug)]
pub struct Player {
    /// The connection.
    pub connection: Connection,
    now: Instant,
    feed: Feed,
    drain: Drain,
    random: Random,
    echo: bool,
    lent: Option<OutputBuffer>,
    unread: Vec<u8>,
    /// Whether the last event was given.
    is_over: bool,
    /// The beginning of what is left of a slice of which a part was written.
    half: Vec<u8>,
    /// What was seen; without a last entry nothing is noted.
    record: Vec<Seen>,
}

impl Player {
    /// A connection that has run nothing.
    pub fn new(setup: &Setup, feed: Feed, drain: Drain) -> Self {
        let seed = match (feed, drain) {
            (Feed::Random(seed) | Feed::Direct(seed), _) | (_, Drain::Random(seed)) => seed,
            _ => 0,
        };
        Self {
            connection: setup.connection(),
            now: Instant::ZERO,
            feed,
            drain,
            random: Random::new(seed),
            echo: setup.echo,
            lent: setup.lend.then(OutputBuffer::default),
            unread: Vec::new(),
            is_over: false,
            half: Vec::new(),
            record: Vec::new(),
        }
    }

    /// Makes room for so many bytes of input, so that keeping what is unread
    /// allocates nothing.
    pub fn reserve(&mut self, input: usize) {
        self.unread.reserve(input);
    }

    /// Runs one operation.
    ///
    /// # Errors
    ///
    /// That of the command.
    pub fn run(&mut self, op: &Op) -> Result<(), SendError> {
        if let Some(buffer) = self.lent.take() {
            self.connection.lend_output(buffer);
        }
        let was_open = self.connection.is_open();
        let done = self.operate(op);
        if !was_open && self.is_command(op) {
            assert_eq!(done, Err(SendError::Closing), "{op:?}");
        }
        self.after_step();
        self.read();
        if let Some(buffer) = self.connection.reclaim_output() {
            self.lent = Some(buffer);
        }
        self.check();
        done
    }

    fn operate(&mut self, op: &Op) -> Result<(), SendError> {
        let connection = &mut self.connection;
        match op {
            Op::Input(bytes) => self.input(bytes),
            Op::Eof => {
                let event = connection.handle_eof(self.now);
                self.note(event);
                assert!(self.connection.handle_eof(self.now).is_none());
            }
            Op::Wait(span) => self.timeout(self.now.after(*span)),
            Op::Clock(now) => self.timeout(*now),
            Op::Send(kind, len) => return connection.send(message(*kind, *len)),
            Op::SendOwned(kind, len) => return connection.send(message(*kind, *len)),
            Op::SendBytes(len) => return connection.send_bytes(binary(*len).into()),
            Op::Start(kind) => return connection.start(*kind),
            Op::Part(len, fin) => return connection.part(text(*len).as_bytes(), *fin),
            Op::PartOf(bytes, fin) => return connection.part(bytes, *fin),
            Op::Ping(len) => return connection.ping(&binary(*len)),
            Op::Pong(len) => return connection.pong(&binary(*len)),
            Op::Close(code, len) => {
                let code = CloseCode::new(*code).unwrap_or(CloseCode::NORMAL);
                return connection.close(code, &text(*len));
            }
            Op::Receive(receive) => connection.set_receive(*receive),
            Op::Transmit(n) => self.write(*n),
        }
        Ok(())
    }

    /// Whether a connection that is not open refuses it as closing.
    fn is_command(&self, op: &Op) -> bool {
        match op {
            Op::Send(..) | Op::SendOwned(..) | Op::SendBytes(_) | Op::Start(_) => true,
            Op::Part(..) | Op::PartOf(..) | Op::Ping(_) | Op::Pong(_) => true,
            Op::Input(_) | Op::Eof | Op::Wait(_) | Op::Clock(_) => false,
            Op::Close(..) | Op::Receive(_) | Op::Transmit(_) => false,
        }
    }

    fn input(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let n = match self.feed {
                Feed::Whole => bytes.len(),
                Feed::Bytes => 1,
                Feed::Random(_) | Feed::Direct(_) => self.piece(bytes.len()),
            };
            let (mut piece, rest) = bytes.split_at(n);
            bytes = rest;
            if matches!(self.feed, Feed::Direct(_)) && self.unread.is_empty() {
                piece = self.read_directly(piece);
            }
            self.unread.extend_from_slice(piece);
            self.read();
        }
    }

    /// A size up to `most`; small ones are as likely as large ones.
    fn piece(&mut self, most: usize) -> usize {
        let scale = 1 + self.random.below(12);
        1 + self.random.below(1 << scale).min(most - 1)
    }

    fn read_directly<'b>(&mut self, mut piece: &'b [u8]) -> &'b [u8] {
        while !piece.is_empty() {
            let Some(space) = self.connection.input_space(1) else {
                break;
            };
            let n = space.len().min(piece.len());
            assert!(n > 0, "no room is offered");
            let (head, tail) = piece.split_at(n);
            space[..n].copy_from_slice(head);
            piece = tail;
            let event = self.connection.input_filled(self.now, n);
            self.note(event);
            self.after_step();
        }
        piece
    }

    /// Reads what there is, as far as there is room.
    fn read(&mut self) {
        let mut unread = std::mem::take(&mut self.unread);
        let len = unread.len();
        let mut input = &mut unread[..];
        // Every event takes a byte, save those that earlier bytes brought about.
        for _ in 0..len + 2 {
            let before = input.len();
            let Progress { event, rest } = self.connection.handle_input(self.now, input);
            assert!(rest.len() <= before);
            input = rest;
            if event.is_none() {
                let left = input.len();
                assert!(
                    left == 0 || !self.connection.has_room(),
                    "input is left without need"
                );
                unread.drain(..len - left);
                self.unread = unread;
                return;
            }
            self.note(event);
            self.after_step();
        }
        panic!("more events than bytes");
    }

    fn timeout(&mut self, now: Instant) {
        self.now = now;
        let event = self.connection.handle_timeout(now);
        self.note(event);
        let deadline = self.connection.poll_timeout();
        // At the end of time there is no later.
        if now < Instant::MAX {
            assert!(
                deadline.is_none_or(|at| at > now),
                "{deadline:?} is not after {now:?}"
            );
            assert!(self.connection.handle_timeout(now).is_none());
            assert_eq!(self.connection.poll_timeout(), deadline);
        }
    }

    fn note(&mut self, event: Option<Event<'_>>) {
        let Some(event) = event else { return };
        assert!(!self.is_over, "{event:?} after the end");
        self.is_over = matches!(event, Event::Closed(_));
        if let (true, Event::Message(message)) = (self.echo, &event) {
            // Refused when there is no room, or while a message in parts is sent.
            let _ = self.connection.send(message);
        }
        let Some(seen) = self.record.last_mut() else {
            return;
        };
        match (seen.events.last_mut(), event) {
            (Some(Event::Chunk(before)), Event::Chunk(chunk)) if !before.last => {
                assert!(!chunk.first && chunk.kind == before.kind);
                before.bytes.to_mut().extend_from_slice(&chunk.bytes);
                before.last = chunk.last;
            }
            (_, event) => seen.events.push(owned(event)),
        }
    }

    fn after_step(&mut self) {
        match self.drain {
            Drain::All => self.write(usize::MAX),
            Drain::Random(_) => {
                while self.connection.has_output() {
                    let n = self.piece(usize::MAX);
                    self.write(n);
                }
            }
            Drain::Scripted => {}
        }
    }

    /// Writes up to `most` bytes.
    fn write(&mut self, mut most: usize) {
        while most > 0 {
            let mut slices = [&[][..]; SLICES];
            let count = self.connection.poll_transmit(&mut slices);
            let slices = &slices[..count];
            assert!(slices.iter().all(|slice| !slice.is_empty()));
            let first = slices.first().copied().unwrap_or_default();
            assert!(
                first.starts_with(&self.half),
                "a slice was left half written"
            );
            self.half.clear();
            let mut taken = 0;
            for slice in slices {
                let (now, later) = slice.split_at(slice.len().min(most - taken));
                taken += now.len();
                if let Some(seen) = self.record.last_mut() {
                    seen.output.extend_from_slice(now);
                }
                if !later.is_empty() {
                    // Kept only where it is looked at, not where memory is.
                    if !now.is_empty() && !self.record.is_empty() {
                        self.half.extend_from_slice(&later[..later.len().min(64)]);
                    }
                    break;
                }
            }
            if taken == 0 {
                assert!(!self.connection.has_output(), "what waits is not offered");
                break;
            }
            self.connection.advance_transmit(taken);
            most -= taken;
        }
    }

    fn state(&self) -> [bool; 4] {
        let connection = &self.connection;
        [
            connection.is_open(),
            connection.is_closed(),
            connection.ends_writing(),
            connection.is_finished(),
        ]
    }

    fn check(&mut self) {
        let connection = &mut self.connection;
        assert_eq!(connection.is_closed(), self.is_over);
        assert!(!(connection.is_open() && connection.is_closed()));
        assert!(connection.is_closed() || !connection.ends_writing());
        assert!(connection.ends_writing() || !connection.is_finished());
        if !connection.is_open() {
            assert_eq!(connection.send("x"), Err(SendError::Closing));
            assert_eq!(connection.part(b"x", true), Err(SendError::Closing));
            assert_eq!(connection.ping(b"x"), Err(SendError::Closing));
            assert_eq!(connection.close(CloseCode::NORMAL, ""), Ok(()));
        }
        if connection.is_closed() {
            let mut input = *b"\x81\x80\0\0\0\0";
            let progress = connection.handle_input(self.now, &mut input);
            assert!(progress.event.is_none() && progress.rest.is_empty());
            assert!(connection.input_space(1).is_none());
        }
    }
}

/// A message of so many bytes.
pub fn message(kind: Kind, len: usize) -> Message<'static> {
    match kind {
        Kind::Text => text(len).into(),
        Kind::Binary => binary(len).into(),
    }
}

/// Text of so many bytes, with code points of every length.
fn text(len: usize) -> String {
    let points = ["\u{1f600}", "\u{20ac}", "\u{e9}", "x"];
    let mut text = String::with_capacity(len);
    while text.len() < len {
        let fits = points.iter().find(|point| point.len() <= len - text.len());
        text.extend(fits.copied());
    }
    text
}

fn binary(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n ^ (n >> 8)) as u8).collect()
}

fn owned(event: Event<'_>) -> Event<'static> {
    match event {
        Event::Message(message) => Event::Message(message.into_owned()),
        Event::Chunk(chunk) => Event::Chunk(Chunk::into_owned(chunk)),
        Event::Ping(payload) => Event::Ping(payload.into_owned().into()),
        Event::Pong(payload) => Event::Pong(payload.into_owned().into()),
        Event::Closed(reason) => Event::Closed(reason.into_owned()),
        event => panic!("unknown to this player: {event:?}"),
    }
}
