//! What holds for every input, every order of commands and every clock.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye::utf8::Utf8;
use sockeye::websocket::{
    CloseCode, CloseFrame, Config, Connection, Event, Expect, Header, Keepalive, Kind, MAX_CONTROL,
    MAX_HEADER, Mask, Message, Opcode, Reason, Receive, SLICES, Violation,
};
use sockeye::{Instant, Progress};
use sockeye_tests::cuts::Random;
use sockeye_tests::script::{self, Drain, Feed, Op, Seen, Setup, play};
use sockeye_tests::wire::{self, Frame};

/// Text with code points of every length, and often with none.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        vec(any::<char>(), 0..40).prop_map(String::from_iter),
        vec(prop::char::range('a', 'z'), 0..300).prop_map(String::from_iter),
    ]
}

/// A message in one frame or in several, with control frames between them.
fn message() -> impl Strategy<Value = Vec<Frame>> {
    let body = prop_oneof![
        4 => text().prop_map(|text| (1, text.into_bytes())),
        4 => vec(any::<u8>(), 0..200).prop_map(|bytes| (2, bytes)),
        // Bytes that need not be text, as text.
        4 => vec(any::<u8>(), 0..6).prop_map(|bytes| (1, bytes)),
        2 => (126_usize..2_000).prop_map(|len| (2, vec![7; len])),
        1 => (65_000_usize..66_000).prop_map(|len| (2, vec![7; len])),
    ];
    let cuts = vec(any::<prop::sample::Index>(), 0..4);
    let controls = vec(vec(control(), 0..2), 5);
    (body, cuts, controls).prop_map(|((opcode, bytes), cuts, controls)| {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let last = cuts.len() - 2;
        let mut frames = Vec::new();
        for (n, (cut, controls)) in cuts.windows(2).zip(controls).enumerate() {
            let fin = if n == last { 0x80 } else { 0 };
            let opcode = if n == 0 { opcode } else { 0 };
            frames.push(Frame::unmasked(fin | opcode, &bytes[cut[0]..cut[1]]));
            frames.extend(controls);
        }
        frames
    })
}

fn control() -> impl Strategy<Value = Frame> {
    let opcode = prop_oneof![Just(0x89), Just(0x8a)];
    (opcode, vec(any::<u8>(), 0..=MAX_CONTROL))
        .prop_map(|(first, payload)| Frame::unmasked(first, payload))
}

fn close() -> impl Strategy<Value = Vec<Frame>> {
    prop_oneof![
        Just(vec![Frame::unmasked(0x88, [])]),
        (any::<u16>(), text()).prop_map(|(code, reason)| {
            let mut payload = code.to_be_bytes().to_vec();
            payload.extend(reason.bytes());
            payload.truncate(MAX_CONTROL);
            vec![Frame::unmasked(0x88, payload)]
        }),
    ]
}

/// Frames that make sense, as bytes, damaged in some place or in none.
fn stream(is_client: bool) -> impl Strategy<Value = Vec<u8>> {
    let frames = vec(prop_oneof![8 => message(), 1 => close()], 0..6);
    let damage = prop_oneof![
        3 => Just(None),
        1 => (any::<prop::sample::Index>(), 0_u8..8).prop_map(Some),
    ];
    (frames, any::<u64>(), damage).prop_map(move |(frames, seed, damage)| {
        let mut keys = Random::new(seed);
        let mut bytes = Vec::new();
        for mut frame in frames.into_iter().flatten() {
            frame.key = (!is_client).then(|| (keys.next() as u32).to_be_bytes());
            bytes.extend(frame.bytes());
        }
        if let (Some((at, bit)), false) = (damage, bytes.is_empty()) {
            *at.get_mut(&mut bytes) ^= 1 << bit;
        }
        bytes
    })
}

/// Input of the kind that the connection expects, or of no kind at all.
fn input(is_client: bool) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => stream(is_client),
        1 => vec(any::<u8>(), 0..40),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Text), Just(Kind::Binary)]
}

fn receive() -> impl Strategy<Value = Receive> {
    prop_oneof![Just(Receive::Messages), Just(Receive::Chunks)]
}

/// Sizes around those at which something is done in another way.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0_usize..130,
        1 => 4_000_usize..4_200,
        1 => 16_000_usize..17_000,
        1 => 65_000_usize..66_000,
    ]
}

fn command() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (kind(), size()).prop_map(|(kind, len)| Op::Send(kind, len)),
        1 => (kind(), size()).prop_map(|(kind, len)| Op::SendOwned(kind, len)),
        1 => size().prop_map(Op::SendBytes),
        1 => kind().prop_map(Op::Start),
        2 => (size(), any::<bool>()).prop_map(|(len, fin)| Op::Part(len, fin)),
        1 => (vec(any::<u8>(), 0..4), any::<bool>()).prop_map(|(part, fin)| Op::PartOf(part, fin)),
        1 => (0_usize..130).prop_map(Op::Ping),
        1 => (0_usize..130).prop_map(Op::Pong),
        1 => (any::<u16>(), 0_usize..130).prop_map(|(code, len)| Op::Close(code, len)),
        1 => receive().prop_map(Op::Receive),
    ]
}

/// Spans around the deadlines, which are of some seconds.
fn wait() -> impl Strategy<Value = Op> {
    (0_u64..30_000).prop_map(|millis| Op::Wait(Duration::from_millis(millis)))
}

fn clock() -> impl Strategy<Value = Op> {
    let nanos = prop_oneof![any::<u64>(), 0..60_000_000_000_u64, Just(u64::MAX), Just(0),];
    nanos.prop_map(|nanos| Op::Clock(Instant::from_nanos(nanos)))
}

fn config() -> impl Strategy<Value = Config> {
    let small = any::<bool>();
    let timeouts = (any::<bool>(), any::<bool>(), any::<bool>());
    (small, any::<bool>(), receive(), timeouts).prop_map(
        |(small, auto_pong, receive, (keepalive, idle, message))| {
            let mut config = Config::default();
            config.receive = receive;
            config.auto_pong = auto_pong;
            if small {
                config.max_message = 300;
                config.max_stream = 500;
                config.max_fragments = Some(3);
                config.max_outgoing = 100;
            }
            config.keepalive = keepalive.then(Keepalive::default);
            config.idle_timeout = idle.then(|| Duration::from_secs(15));
            config.message_timeout = message.then(|| Duration::from_secs(10));
            config
        },
    )
}

fn setup(is_client: bool) -> impl Strategy<Value = Setup> {
    let keys = prop_oneof![3 => Just(u32::MAX), 1 => 0_u32..6];
    (config(), keys, any::<bool>(), any::<bool>()).prop_map(move |(config, keys, echo, lend)| {
        Setup {
            keys,
            echo,
            lend,
            ..Setup::new(is_client, config)
        }
    })
}

/// A setup, and operations for it of which about half are input.
fn scripts(other: BoxedStrategy<Op>) -> impl Strategy<Value = (Setup, Vec<Op>)> {
    any::<bool>().prop_flat_map(move |is_client| {
        let op = prop_oneof![
            6 => input(is_client).prop_map(Op::Input),
            4 => command(),
            1 => wait(),
            1 => Just(Op::Eof),
            2 => other.clone(),
        ];
        (setup(is_client), vec(op, 1..12))
    })
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
    Closed,
    Finished,
}

/// Every kind of state that a connection can be in, and how it gets there.
fn states(is_client: bool) -> Vec<(Phase, &'static str, Setup, Vec<Op>)> {
    let frame = |first: u8, payload: &[u8]| {
        let mut frame = Frame::m0(first, payload);
        if is_client {
            frame.key = None;
        }
        frame.bytes()
    };
    let input = |first, payload: &[u8]| Op::Input(frame(first, payload));
    let begun = |first, payload: &[u8], n: usize| {
        let bytes = frame(first, payload);
        Op::Input(bytes[..bytes.len() - n].to_vec())
    };
    let setup = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        Setup::new(is_client, config)
    };
    let plain = || setup(|_| {});
    let chunks = || setup(|config| config.receive = Receive::Chunks);
    let small = || setup(|config| config.max_outgoing = 10);
    let timed = || {
        setup(|config| {
            config.idle_timeout = Some(Duration::from_secs(3));
            config.message_timeout = Some(Duration::from_secs(2));
        })
    };
    // A server needs no keys.
    let unmasked = if is_client {
        Phase::Finished
    } else {
        Phase::Open
    };
    let keyless = Setup { keys: 0, ..plain() };
    let seconds = |n| Op::Wait(Duration::from_secs(n));
    let silence = [
        seconds(20),
        Op::Transmit(usize::MAX),
        seconds(0),
        seconds(20),
    ];
    vec![
        (Phase::Open, "new", plain(), vec![]),
        (
            Phase::Open,
            "in a header",
            plain(),
            vec![Op::Input(frame(0x82, &[1; 300])[..3].to_vec())],
        ),
        (
            Phase::Open,
            "in a text",
            plain(),
            vec![begun(0x81, "\u{20ac}".as_bytes(), 1)],
        ),
        (
            Phase::Open,
            "in a binary message",
            plain(),
            vec![begun(0x82, &[1; 5], 2)],
        ),
        (
            Phase::Open,
            "in a ping",
            plain(),
            vec![begun(0x89, b"ping", 2)],
        ),
        (
            Phase::Open,
            "in a close",
            plain(),
            vec![begun(0x88, &[3, 232], 1)],
        ),
        (
            Phase::Open,
            "between fragments",
            plain(),
            vec![input(0x01, b"ab"), input(0x00, b"")],
        ),
        (
            Phase::Open,
            "between chunks",
            chunks(),
            vec![begun(0x01, b"abc", 1)],
        ),
        (
            Phase::Open,
            "in a message to be timed",
            timed(),
            vec![input(0x01, b"ab")],
        ),
        (
            Phase::Open,
            "pong waits",
            plain(),
            vec![input(0x89, b"ping")],
        ),
        (
            Phase::Open,
            "pong half written",
            plain(),
            vec![input(0x89, b"ping"), Op::Transmit(3)],
        ),
        (
            Phase::Open,
            "message half written",
            plain(),
            vec![Op::Send(Kind::Text, 9), Op::Transmit(3)],
        ),
        (Phase::Open, "ping waits", plain(), vec![Op::Ping(3)]),
        (Phase::Open, "keepalive waits", plain(), vec![seconds(20)]),
        (Phase::Open, "pong awaited", plain(), silence[..3].to_vec()),
        (
            Phase::Open,
            "full",
            small(),
            vec![Op::Send(Kind::Binary, 20), input(0x81, b"left")],
        ),
        (
            Phase::Open,
            "part begun",
            plain(),
            vec![Op::Start(Kind::Text)],
        ),
        (
            Phase::Open,
            "part sent",
            plain(),
            vec![Op::Start(Kind::Text), Op::PartOf(vec![0xe2], false)],
        ),
        (
            Phase::Closing,
            "closing",
            plain(),
            vec![Op::Close(1000, 3), Op::Transmit(usize::MAX)],
        ),
        (
            Phase::Closing,
            "closing, unwritten",
            plain(),
            vec![Op::Send(Kind::Text, 9), Op::Close(1000, 3)],
        ),
        (
            Phase::Closing,
            "closing, half written",
            plain(),
            vec![Op::Close(1000, 3), Op::Transmit(2)],
        ),
        (
            Phase::Closed,
            "closed by the peer",
            plain(),
            vec![input(0x88, &[3, 232])],
        ),
        (
            Phase::Closed,
            "closed by both",
            plain(),
            vec![Op::Close(1000, 0), input(0x88, b"")],
        ),
        (Phase::Closed, "failed", plain(), vec![input(0xc1, b"")]),
        (
            Phase::Closed,
            "failed in a text",
            chunks(),
            vec![input(0x81, b"ab\xff")],
        ),
        (
            Phase::Closed,
            "failed, with more to write",
            plain(),
            vec![Op::Send(Kind::Text, 5), input(0xc1, b"")],
        ),
        (
            Phase::Finished,
            "at the end of input",
            plain(),
            vec![Op::Eof],
        ),
        (
            Phase::Closed,
            "silent for too long",
            plain(),
            silence.to_vec(),
        ),
        (
            Phase::Closed,
            "idle for too long",
            timed(),
            vec![seconds(3)],
        ),
        (
            Phase::Closed,
            "message too slow",
            timed(),
            vec![input(0x01, b"ab"), seconds(2)],
        ),
        (
            Phase::Finished,
            "close unanswered",
            plain(),
            vec![Op::Close(1000, 0), seconds(0), seconds(5)],
        ),
        (
            Phase::Finished,
            "stalled",
            plain(),
            vec![Op::Ping(0), seconds(0), seconds(30)],
        ),
        (
            Phase::Finished,
            "finished",
            plain(),
            vec![input(0x88, b""), Op::Transmit(usize::MAX), Op::Eof],
        ),
        (Phase::Open, "without keys", keyless.clone(), vec![]),
        (
            unmasked,
            "without a key for a pong",
            keyless,
            vec![input(0x89, b"ping")],
        ),
    ]
}

/// One of everything that can happen.
fn happenings(is_client: bool) -> Vec<Op> {
    let mut ops: Vec<Op> = [
        Op::Eof,
        Op::Send(Kind::Text, 5),
        Op::Send(Kind::Binary, 20_000),
        Op::SendOwned(Kind::Text, 5_000),
        Op::SendBytes(5_000),
        Op::Start(Kind::Text),
        Op::Start(Kind::Binary),
        Op::Part(5, false),
        Op::Part(0, true),
        Op::PartOf(vec![0xff], false),
        Op::PartOf(vec![0x82, 0xac], true),
        Op::Ping(125),
        Op::Ping(126),
        Op::Pong(125),
        Op::Pong(126),
        Op::Close(1000, 123),
        Op::Close(1000, 124),
        Op::Receive(Receive::Chunks),
        Op::Receive(Receive::Messages),
        Op::Transmit(1),
        Op::Transmit(usize::MAX),
        Op::Clock(Instant::ZERO),
        Op::Clock(Instant::MAX),
    ]
    .into();
    ops.extend([0, 1, 2, 3, 5, 20, 30].map(|n| Op::Wait(Duration::from_secs(n))));
    // Every opcode, final and not, short and long; and one that is not masked
    // as it should be.
    let key = (!is_client).then_some([0; 4]);
    for first in 0..=255 {
        for payload in [&b""[..], b"\x03\xe8", b"\xac", &[b'x'; 200]] {
            let payload = payload.to_vec();
            ops.push(Op::Input(
                Frame {
                    first,
                    key,
                    payload,
                }
                .bytes(),
            ));
        }
    }
    let key = is_client.then_some([0; 4]);
    let payload = Vec::new();
    ops.push(Op::Input(
        Frame {
            first: 0x81,
            key,
            payload,
        }
        .bytes(),
    ));
    ops
}

#[test]
fn every_state_meets_every_event() {
    for is_client in [false, true] {
        let happenings = happenings(is_client);
        for (phase, state, setup, script) in states(is_client) {
            let reached = play(&setup, &script, Feed::Whole, Drain::Scripted);
            let reached = match reached.last().map(|seen| seen.state) {
                Some([true, ..]) | None => Phase::Open,
                Some([.., true]) => Phase::Finished,
                Some([_, true, ..]) => Phase::Closed,
                Some(_) => Phase::Closing,
            };
            assert_eq!(reached, phase, "{state}");
            for op in &happenings {
                // The player asserts what holds in every state.
                let rest = Op::Transmit(usize::MAX);
                let script: Vec<_> = script.iter().chain([op, &rest]).cloned().collect();
                let scripted = play(&setup, &script, Feed::Whole, Drain::Scripted);
                let bytes = play(&setup, &script, Feed::Bytes, Drain::Scripted);
                assert_same(&bytes, &scripted, &format!("{state}: {op:?}"));
                written(&scripted, is_client);
            }
        }
    }
}

fn assert_same(ours: &[Seen], theirs: &[Seen], how: &str) {
    for (n, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(ours, theirs, "operation {n}, {how}");
    }
    assert_eq!(ours.len(), theirs.len());
}

/// The frames that a connection wrote, which are whole and well-formed unless
/// it still has some of them.
fn written(seen: &[Seen], is_client: bool) -> (Vec<Frame>, Vec<u8>) {
    let output: Vec<u8> = seen.iter().flat_map(|seen| &seen.output).copied().collect();
    let (frames, rest) = wire::split(&output);
    let mut open = false;
    let mut closed = false;
    for frame in &frames {
        // A ping has to be answered until the peer's Close has come.
        assert!(
            !closed || frame.opcode() == 0xa,
            "{frame:02x?} after a close"
        );
        assert_eq!(frame.key.is_some(), is_client);
        assert_ne!(frame.key, Some([0; 4]));
        match frame.first {
            0x01 | 0x02 | 0x81 | 0x82 => assert!(!open, "{frame:02x?}"),
            0x00 | 0x80 => assert!(open, "{frame:02x?}"),
            0x88..=0x8a => assert!(frame.payload.len() <= MAX_CONTROL),
            _ => panic!("{frame:02x?}"),
        }
        match frame.opcode() {
            0..=2 => open = frame.first & 0x80 == 0,
            8 => {
                closed = true;
                assert!(CloseFrame::decode(&frame.payload).is_ok());
            }
            _ => {}
        }
    }
    let rest = rest.to_vec();
    (frames, rest)
}

/// One end of a connection whose other end is one too.
struct End {
    connection: Connection,
    sent: Vec<Message<'static>>,
    parts: Option<(Kind, Vec<u8>)>,
    received: Vec<Message<'static>>,
    chunks: Vec<u8>,
    reason: Option<Reason<'static>>,
    /// Bytes that have come, and wait for room.
    unread: Vec<u8>,
}

/// What happens at one of two ends.
#[derive(Clone, Debug)]
enum Act {
    Send(Message<'static>),
    SendOwned(Message<'static>),
    Start(Kind),
    /// A part, and whether it is the last. Text may be cut inside a code point.
    Part(Vec<u8>, bool),
    Ping(Vec<u8>),
    Close,
    Receive(Receive),
    /// So many bytes reach the other end.
    Carry(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let message = || (kind(), size()).prop_map(|(kind, len)| script::message(kind, len));
    prop_oneof![
        4 => message().prop_map(Act::Send),
        2 => message().prop_map(Act::SendOwned),
        2 => kind().prop_map(Act::Start),
        6 => (vec(any::<u8>(), 0..3), any::<bool>()).prop_map(|(part, fin)| Act::Part(part, fin)),
        4 => (text(), any::<bool>()).prop_map(|(part, fin)| Act::Part(part.into(), fin)),
        2 => vec(any::<u8>(), 0..=MAX_CONTROL).prop_map(Act::Ping),
        1 => Just(Act::Close),
        1 => receive().prop_map(Act::Receive),
        8 => (0_usize..20_000).prop_map(Act::Carry),
    ]
}

impl End {
    fn new(setup: &Setup) -> Self {
        Self {
            connection: setup.connection(),
            sent: Vec::new(),
            parts: None,
            received: Vec::new(),
            chunks: Vec::new(),
            reason: None,
            unread: Vec::new(),
        }
    }

    fn act(&mut self, act: Act, other: &mut Self) {
        match act {
            Act::Send(message) => {
                if self.connection.send(&message).is_ok() {
                    self.sent.push(message);
                }
            }
            Act::SendOwned(message) => {
                if self.connection.send(message.clone()).is_ok() {
                    self.sent.push(message);
                }
            }
            Act::Start(kind) => {
                if self.connection.start(kind).is_ok() {
                    self.parts = Some((kind, Vec::new()));
                }
            }
            Act::Part(part, fin) => {
                if self.connection.part(&part, fin).is_ok() {
                    self.note_part(&part, fin);
                }
            }
            Act::Ping(payload) => drop(self.connection.ping(&payload)),
            Act::Close => self.connection.close(CloseCode::GOING_AWAY, "bye").unwrap(),
            Act::Receive(receive) => self.connection.set_receive(receive),
            Act::Carry(n) => self.carry(n, other),
        }
    }

    fn note_part(&mut self, part: &[u8], fin: bool) {
        let (kind, mut bytes) = self.parts.take().expect("a message has begun");
        bytes.extend(part);
        if !fin {
            self.parts = Some((kind, bytes));
            return;
        }
        self.sent.push(match kind {
            Kind::Text => String::from_utf8(bytes).expect("text is checked").into(),
            Kind::Binary => bytes.into(),
        });
    }

    /// Carries up to `n` bytes to the other end, which reads them and what came before.
    fn carry(&mut self, mut n: usize, other: &mut Self) {
        loop {
            let mut slices = [&[][..]; SLICES];
            let count = self.connection.poll_transmit(&mut slices);
            let bytes: Vec<u8> = slices[..count]
                .iter()
                .copied()
                .flatten()
                .copied()
                .take(n)
                .collect();
            if bytes.is_empty() {
                break;
            }
            n -= bytes.len();
            self.connection.advance_transmit(bytes.len());
            other.unread.extend(bytes);
            other.read();
        }
        other.read();
        // There may be room again.
        self.read();
    }

    fn read(&mut self) {
        let mut unread = std::mem::take(&mut self.unread);
        let mut input = &mut unread[..];
        loop {
            let Progress { event, rest } = self.connection.handle_input(Instant::ZERO, input);
            input = rest;
            match event {
                Some(Event::Message(message)) => self.received.push(message.into_owned()),
                Some(Event::Chunk(chunk)) => {
                    self.chunks.extend(&chunk.bytes[..]);
                    if chunk.last {
                        let bytes = std::mem::take(&mut self.chunks);
                        self.received.push(match chunk.kind {
                            Kind::Text => String::from_utf8(bytes).expect("text is checked").into(),
                            Kind::Binary => bytes.into(),
                        });
                    }
                }
                Some(Event::Closed(reason)) => self.reason = Some(reason.into_owned()),
                Some(_) => {}
                None => break,
            }
        }
        self.unread = input.to_vec();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn cutting_input_elsewhere_changes_nothing((setup, script) in scripts(wait().boxed()), seed: u64) {
        let whole = play(&setup, &script, Feed::Whole, Drain::All);
        for feed in [Feed::Bytes, Feed::Random(seed), Feed::Direct(seed)] {
            let cut = play(&setup, &script, feed, Drain::All);
            assert_same(&cut, &whole, &format!("{feed:?}"));
        }
        let (_, rest) = written(&whole, setup.is_client);
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn writing_in_pieces_changes_nothing((setup, script) in scripts(wait().boxed()), seed: u64) {
        let whole = play(&setup, &script, Feed::Whole, Drain::All);
        let pieces = play(&setup, &script, Feed::Whole, Drain::Random(seed));
        assert_same(&pieces, &whole, "written in pieces");
        let lend = Setup { lend: !setup.lend, ..setup };
        let lent = play(&lend, &script, Feed::Whole, Drain::All);
        assert_same(&lent, &whole, "lent or not");
    }

    #[test]
    fn a_refused_command_changes_nothing((setup, script) in scripts(wait().boxed()), writes: u64) {
        // Nothing is written by itself here, so that commands meet full queues.
        let mut random = Random::new(writes);
        let transmit = |random: &mut Random| Op::Transmit(random.below(20) * random.below(20));
        let script: Vec<_> = script
            .into_iter()
            .flat_map(|op| [op, transmit(&mut random)])
            .collect();
        let all = play(&setup, &script, Feed::Whole, Drain::Scripted);
        let accepted = |(_, seen): &(Op, Seen)| seen.refused.is_none();
        let (script, all): (Vec<_>, Vec<_>) =
            script.into_iter().zip(all).filter(accepted).unzip();
        let without = play(&setup, &script, Feed::Whole, Drain::Scripted);
        assert_same(&without, &all, "without what was refused");
        written(&all, setup.is_client);
    }

    #[test]
    fn any_clock_and_any_writes_are_survived(
        (setup, mut script) in scripts(prop_oneof![
            1 => clock(),
            3 => (0_usize..20).prop_map(Op::Transmit),
            1 => (0_usize..5_000).prop_map(Op::Transmit),
        ].boxed()),
        seed: u64,
    ) {
        script.push(Op::Transmit(usize::MAX));
        let seen = play(&setup, &script, Feed::Direct(seed), Drain::Scripted);
        let (_, rest) = written(&seen, setup.is_client);
        // What is half written when the transport is given up stays so.
        let given_up = seen.last().is_some_and(|seen| seen.state[3]);
        prop_assert!(rest.is_empty() || given_up);
    }

    #[test]
    fn headers_come_back(fin: bool, opcode in 0_u8..16, key: Option<[u8; 4]>, rsv in 0_u8..8, len: u64, shift in 0_u32..64) {
        let Some(opcode) = Opcode::from_bits(opcode) else { return Ok(()) };
        let control = opcode.is_control();
        let data = matches!(opcode, Opcode::Text | Opcode::Binary);
        let header = Header {
            fin: fin || control,
            rsv: if data { rsv << 4 } else { 0 },
            opcode,
            mask: key,
            len: if control { len % 126 } else { (len >> shift) & !(1 << 63) },
        };
        let mut bytes = [0; MAX_HEADER];
        let bytes = header.encode(&mut bytes);
        prop_assert_eq!(Header::decode(bytes, &Expect::ANY), Ok(Some((header, bytes.len()))));
        for cut in 0..bytes.len() {
            prop_assert_eq!(Header::decode(&bytes[..cut], &Expect::ANY), Ok(None));
        }
    }

    #[test]
    fn any_bytes_are_a_header_or_not(bytes in vec(any::<u8>(), 0..16), masked: Option<bool>, rsv: u8, fragmented: Option<bool>, shift in 0_u32..64) {
        let expect = Expect { masked, rsv, fragmented, max_payload: u64::MAX >> shift };
        let whole = Header::decode(&bytes, &expect);
        let first = (0..=bytes.len())
            .map(|cut| Header::decode(&bytes[..cut], &expect))
            .find(|decoded| *decoded != Ok(None));
        prop_assert_eq!(first.unwrap_or(Ok(None)), whole, "known at the first byte that tells");
        if let Ok(Some((header, len))) = whole {
            let mut again = [0; MAX_HEADER];
            prop_assert_eq!(header.encode(&mut again), &bytes[..len]);
        }
    }

    #[test]
    fn masks_come_off(key: [u8; 4], bytes in vec(any::<u8>(), 0..300), cuts in vec(any::<prop::sample::Index>(), 2)) {
        let mut masked = bytes.clone();
        Mask::new(key).apply(&mut masked);
        let plain = Frame { first: 0x82, key: Some(key), payload: bytes.clone() }.bytes();
        prop_assert!(plain.ends_with(&masked));
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let (head, tail) = masked.split_at_mut(cuts[1]);
        let (head, middle) = head.split_at_mut(cuts[0]);
        let mut mask = Mask::new(key);
        [head, middle, tail].into_iter().for_each(|piece| mask.apply(piece));
        prop_assert_eq!(masked, bytes);
    }

    #[test]
    fn close_frames_come_back(code: u16, reason in text()) {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend(reason.bytes());
        let decoded = CloseFrame::decode(&payload);
        match CloseCode::new(code) {
            Some(code) => prop_assert_eq!(decoded, Ok(Some(CloseFrame { code, reason: reason.into() }))),
            None => prop_assert_eq!(decoded, Err(Violation::CloseCode)),
        }
    }

    #[test]
    fn a_reason_is_text(reason in vec(any::<u8>(), 0..8)) {
        let payload = [&[3, 232], &reason[..]].concat();
        let decoded = CloseFrame::decode(&payload);
        match std::str::from_utf8(&reason) {
            Ok(text) => prop_assert_eq!(decoded.unwrap().unwrap().reason, text),
            Err(_) => prop_assert_eq!(decoded, Err(Violation::InvalidUtf8)),
        }
    }

    #[test]
    fn delivered_text_is_what_the_standard_library_accepts(
        bytes in prop_oneof![
            vec(any::<u8>(), 0..8),
            (text(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, at, byte)| {
                let mut bytes = text.into_bytes();
                if !bytes.is_empty() {
                    *at.get_mut(&mut bytes) = byte;
                }
                bytes
            }),
        ],
        seed: u64,
    ) {
        let accepted = std::str::from_utf8(&bytes);
        let setup = Setup::new(true, Config::default());
        let script = [Op::Input(Frame::unmasked(0x81, bytes.clone()).bytes())];
        let seen = play(&setup, &script, Feed::Random(seed), Drain::All);
        let expected = match accepted {
            Ok(text) => Event::Message(text.into()),
            Err(_) => Event::Closed(Reason::Violation(Violation::InvalidUtf8)),
        };
        prop_assert_eq!(&seen[0].events, &[expected]);
        // The validator itself, and the place that it names.
        let mut random = Random::new(seed);
        let (mut utf8, mut valid, mut rest) = (Utf8::default(), String::new(), &bytes[..]);
        let mut broken = None;
        while !rest.is_empty() && broken.is_none() {
            let (piece, later) = rest.split_at(1 + random.below(rest.len()));
            match utf8.push(piece) {
                Ok(pushed) => {
                    valid.extend(pushed.head);
                    valid.push_str(pushed.body);
                    rest = later;
                }
                Err(invalid) => broken = Some(bytes.len() - rest.len() + invalid.at),
            }
        }
        match (accepted, broken) {
            (Ok(text), None) => prop_assert!(valid == text && utf8.is_complete()),
            (Err(error), None) => {
                prop_assert!(error.error_len().is_none() && !utf8.is_complete());
            }
            (Err(_), Some(at)) => {
                // Up to the named byte text can go on, and with it no more.
                let can_go_on = |bytes: &[u8]| match std::str::from_utf8(bytes) {
                    Ok(_) => true,
                    Err(error) => error.error_len().is_none(),
                };
                prop_assert!(can_go_on(&bytes[..at]) && !can_go_on(&bytes[..=at]));
            }
            (Ok(_), Some(_)) => prop_assert!(false, "refused what is text"),
        }
    }

    #[test]
    fn what_one_end_sends_the_other_receives(
        acts in vec((any::<bool>(), act()), 0..40),
        configs in (config(), config()),
    ) {
        let limits = |mut config: Config| {
            config.max_message = 1 << 20;
            config.max_stream = 1 << 20;
            config.max_fragments = None;
            config
        };
        let mut client = End::new(&Setup::new(true, limits(configs.0)));
        let mut server = End::new(&Setup::new(false, limits(configs.1)));
        for (is_client, act) in acts {
            match is_client {
                true => client.act(act, &mut server),
                false => server.act(act, &mut client),
            }
        }
        while client.connection.has_output() || server.connection.has_output() {
            client.carry(usize::MAX, &mut server);
            server.carry(usize::MAX, &mut client);
        }
        prop_assert_eq!(&client.sent, &server.received);
        prop_assert_eq!(&server.sent, &client.received);
        prop_assert!(client.unread.is_empty() && server.unread.is_empty());
        let closed = client.reason.is_some();
        prop_assert_eq!(closed, server.reason.is_some());
        for end in [&mut client, &mut server] {
            prop_assert_eq!(end.connection.is_open(), !closed);
            if closed {
                prop_assert_eq!(end.connection.handle_eof(Instant::ZERO), None);
                prop_assert!(end.connection.is_finished());
                let reason = end.reason.as_ref().unwrap();
                prop_assert!(reason.is_clean() && reason.code() == 1001, "{reason:?}");
            }
        }
    }
}
