//! An open connection under any input, any commands and any clock.
//!
//! An input is a [script](crate::script) in this notation:
//!
//! | bytes | mean |
//! |---|---|
//! | flags, keys, seed | what [`setup`] makes of them; then, until the end: |
//! | `00` to `7f` | so many bytes follow, which the peer sends |
//! | `80` first length payload | a frame of the peer's, well-formed but for what `first` says |
//! | `81` first high low | the same with a payload of `x`, of up to 8 KiB |
//! | `82` and above, argument | an operation; see [`operation`] |

use std::time::Duration;

use sockeye::Instant;
use sockeye::websocket::{Config, Kind, Receive};

use super::{Choices, assert_bounded};
use crate::alloc::measure;
use crate::script::{Drain, Feed, Op, Player, Setup, play};
use crate::wire::Frame;

/// Runs a connection in either role.
///
/// # Panics
///
/// If a cut can be seen, memory is not bounded, or anything does not hold that
/// a [`Player`] asserts.
pub fn connection(data: &[u8]) {
    let mut choices = Choices(data);
    let (setup, seed) = setup(&mut choices);
    let script = script(choices, setup.is_client);
    let whole = play(&setup, &script, Feed::Whole, Drain::All);
    let received: usize = script.iter().map(received_by).sum();
    // Where there is much, single bytes take the time of many other inputs.
    let bytes = (received <= 2048).then_some(Feed::Bytes);
    for feed in bytes
        .into_iter()
        .chain([Feed::Random(seed), Feed::Direct(seed)])
    {
        let cut = play(&setup, &script, feed, Drain::All);
        assert_eq!(cut, whole, "{feed:?}");
    }
    let pieces = play(&setup, &script, Feed::Whole, Drain::Random(seed));
    assert_eq!(pieces, whole, "written in pieces");
    for (feed, drain) in [
        (Feed::Whole, Drain::All),
        (Feed::Direct(seed), Drain::All),
        (Feed::Random(seed), Drain::Scripted),
    ] {
        bounded(&setup, &script, feed, drain);
    }
}

/// The input for these bytes of the peer's.
pub fn seed(is_client: bool, chunks: bool, input: &[u8]) -> Vec<u8> {
    let flags = u8::from(is_client) | if chunks { CHUNKS } else { 0 };
    let mut seed = vec![flags, 0, 1];
    for piece in input.chunks(0x7f) {
        seed.push(piece.len() as u8);
        seed.extend(piece);
    }
    seed
}

const CLIENT: u8 = 1;
const CHUNKS: u8 = 2;

fn setup(choices: &mut Choices<'_>) -> (Setup, u64) {
    let flags = choices.byte();
    let has = |bit: u8| flags & bit != 0;
    let mut config = Config::default();
    if has(CHUNKS) {
        config.receive = Receive::Chunks;
    }
    if has(4) {
        config.max_message = 300;
        config.max_stream = 500;
        config.max_fragments = Some(3);
        config.max_outgoing = 100;
    }
    if has(8) {
        config.idle_timeout = Some(Duration::from_secs(15));
        config.message_timeout = Some(Duration::from_secs(10));
    }
    config.auto_pong = !has(16);
    let setup = Setup {
        echo: has(32),
        lend: has(64),
        keys: match choices.byte() {
            0 => u32::MAX,
            keys => u32::from(keys) - 1,
        },
        ..Setup::new(has(CLIENT), config)
    };
    (setup, choices.byte().into())
}

fn script(mut choices: Choices<'_>, is_client: bool) -> Vec<Op> {
    let mut script = Vec::new();
    let key = (!is_client).then_some([0x37, 0xfa, 0x21, 0x3d]);
    while !choices.0.is_empty() {
        let op = match choices.byte() {
            len @ ..=0x7f => Op::Input(choices.bytes(len.into()).into()),
            0x80 => {
                let (first, len) = (choices.byte(), choices.byte());
                let payload = choices.bytes(len.into()).into();
                Op::Input(
                    Frame {
                        first,
                        key,
                        payload,
                    }
                    .bytes(),
                )
            }
            0x81 => {
                let first = choices.byte();
                let len = u16::from_be_bytes([choices.byte(), choices.byte()]) % 0x2000;
                let payload = vec![b'x'; len.into()];
                Op::Input(
                    Frame {
                        first,
                        key,
                        payload,
                    }
                    .bytes(),
                )
            }
            tag => operation(tag, choices.byte()),
        };
        // Input that nothing comes between is one, so that cuts are free.
        match (script.last_mut(), op) {
            (Some(Op::Input(before)), Op::Input(bytes)) => before.extend(bytes),
            (_, op) => script.push(op),
        }
    }
    script
}

/// The operations that are not input, with sizes around those that matter.
fn operation(tag: u8, argument: u8) -> Op {
    let small = usize::from(argument);
    // Just beyond 16 KiB at the most, where payloads get storage of their own.
    let large = small * 66;
    match tag % 19 {
        0 => Op::Eof,
        1 => Op::Wait(Duration::from_millis(u64::from(argument) * 200)),
        2 => Op::Clock(Instant::from_nanos(u64::from(argument) << (argument % 57))),
        3 => Op::Send(Kind::Text, small),
        4 => Op::Send(Kind::Binary, large),
        5 => Op::SendOwned(Kind::Text, large),
        6 => Op::SendOwned(Kind::Binary, small),
        7 => Op::SendBytes(large),
        8 => Op::Start(Kind::Text),
        9 => Op::Start(Kind::Binary),
        10 => Op::Part(small, false),
        11 => Op::Part(large, true),
        12 => Op::PartOf(vec![argument], argument < 0xc0),
        13 => Op::Ping(small / 2),
        14 => Op::Pong(small / 2),
        15 => Op::Close(1000 + u16::from(argument), small / 2),
        16 => Op::Receive(match argument % 2 {
            0 => Receive::Messages,
            _ => Receive::Chunks,
        }),
        17 => Op::Transmit(small),
        _ => Op::Transmit(usize::MAX),
    }
}

/// Runs the script once more, and looks at nothing but memory.
fn bounded(setup: &Setup, script: &[Op], feed: Feed, drain: Drain) {
    let received: usize = script.iter().map(received_by).sum();
    let sent: usize = script.iter().map(sent_by).sum();
    let largest = script.iter().map(sent_by).max().unwrap_or(0);
    let mut player = Player::new(setup, feed, drain);
    player.reserve(received);
    let ((), usage) = measure(|| {
        for op in script {
            let _ = player.run(op);
        }
    });
    // Storage at most doubles what has arrived, up to the limit.
    let message = (2 * received).min(setup.config.max_message);
    let (sent, largest) = match setup.echo {
        true => (sent + received, largest.max(message)),
        false => (sent, largest),
    };
    // The queue takes one message more than its limit says, and its storage
    // grows by doubling. What is sent is made here, and may be copied once.
    let queue = 2 * sent.min(setup.config.max_outgoing + largest);
    let bound = message + queue + 2 * largest + 4096;
    assert_bounded(
        usage.peak,
        bound,
        format_args!("{received} received, {sent} sent, {feed:?}, {drain:?}"),
    );
    let is_done = player.connection.is_finished() && !player.connection.has_output();
    if is_done && !setup.lend {
        let held = usize::try_from(usage.held).unwrap_or(0);
        assert_bounded(held, 2 * 1024 + 1024, format_args!("at the end"));
    }
}

fn received_by(op: &Op) -> usize {
    match op {
        Op::Input(bytes) => bytes.len(),
        _ => 0,
    }
}

/// The payload that an operation sends, and the header before it.
fn sent_by(op: &Op) -> usize {
    14 + match op {
        Op::Send(_, len) | Op::SendOwned(_, len) | Op::SendBytes(len) | Op::Part(len, _) => *len,
        Op::PartOf(bytes, _) => bytes.len(),
        Op::Ping(len) | Op::Pong(len) | Op::Close(_, len) => *len,
        _ => 0,
    }
}
