//! Every first byte of a packet, wherever and whenever it comes, against a table.

use sockeye::engineio::{
    Channel, ClientConfig, Config, Event, Fault, Packet, Packets, Reason, Transport, Version,
};
use sockeye::{Kind, Message};
use sockeye_tests::session::{Bench, Client, OPEN};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Idle,
    Probing,
    Closing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Polling,
    WebSocket,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Nothing,
    Text,
    Binary,
    Upgraded,
    /// The WebSocket that was tried out is given up.
    Refused,
    Peer,
    Heartbeat,
    Unexpected,
    Parse,
}
use Outcome::*;

/// The outcome in version 3, and that in version 4.
type Cell = [Outcome; 2];

/// What a packet with this first byte is: at the server by polling, there by
/// WebSocket, and at the client.
const TABLE: [(u8, [Cell; 3]); 7] = [
    (b'0', [[Unexpected; 2]; 3]),
    (b'1', [[Peer; 2]; 3]),
    (
        b'2',
        [
            [Nothing, Heartbeat],
            [Nothing, Heartbeat],
            [Heartbeat, Nothing],
        ],
    ),
    (
        b'3',
        [
            [Heartbeat, Nothing],
            [Heartbeat, Nothing],
            [Nothing, Heartbeat],
        ],
    ),
    (b'4', [[Text; 2]; 3]),
    (b'5', [[Unexpected; 2], [Nothing; 2], [Unexpected; 2]]),
    (b'6', [[Nothing; 2]; 3]),
];

fn expected(server: bool, version: Version, by: By, when: When, kind: Kind, byte: u8) -> Outcome {
    let v3 = version == Version::V3;
    if when == When::Probing && by == By::WebSocket {
        let upgrades = server && kind == Kind::Text && byte == b'5';
        return if upgrades { Upgraded } else { Refused };
    }
    match (kind, by) {
        (Kind::Binary, By::Polling) if !v3 => return Parse,
        (Kind::Binary, _) if v3 && byte != 4 => return Parse,
        (Kind::Binary, _) => return Binary,
        (Kind::Text, _) if byte == b'b' => return if v3 { Parse } else { Binary },
        (Kind::Text, _) => {}
    }
    let Some((_, [polling, websocket, client])) = TABLE.iter().find(|(first, _)| *first == byte)
    else {
        return Parse;
    };
    let cell = match (server, by) {
        (false, _) => client,
        (true, By::Polling) => polling,
        (true, By::WebSocket) => websocket,
    };
    cell[usize::from(!v3)]
}

/// The text or binary message of a WebSocket with this byte in it.
fn message(kind: Kind, byte: u8) -> Message<'static> {
    match kind {
        Kind::Text => char::from(byte).to_string().into(),
        Kind::Binary => vec![byte].into(),
    }
}

/// A payload with one packet of this byte.
fn payload(version: Version, kind: Kind, byte: u8) -> Vec<u8> {
    match (version, kind) {
        (Version::V4, _) => vec![byte],
        (Version::V3, Kind::Text) => vec![b'1', b':', byte],
        (Version::V3, Kind::Binary) => vec![1, 1, 255, byte],
    }
}

/// Gives the packet to a session of either end, and says what became of it.
macro_rules! outcome {
    ($session:expr, $now:expr, $polled:expr, $version:expr, $by:expr, $kind:expr, $byte:expr) => {{
        let (session, now, version, kind) = (&mut $session, $now, $version, $kind);
        let mut outcome = Nothing;
        let mut told = |event: Option<Event<'_>>| {
            outcome = match event {
                None => return,
                Some(Event::Message(Message::Text(_))) => Text,
                Some(Event::Message(Message::Binary(_))) => Binary,
                Some(Event::Upgraded) => Upgraded,
                Some(Event::Closed(Reason::Peer)) => Peer,
                Some(Event::Closed(Reason::Fault(Fault::Heartbeat))) => Heartbeat,
                Some(Event::Closed(Reason::Fault(Fault::Unexpected))) => Unexpected,
                Some(Event::Closed(Reason::Fault(Fault::Packet(_) | Fault::Payload(_)))) => Parse,
                event => panic!("{event:?}"),
            };
        };
        let mut body = payload(version, kind, $byte);
        let socket = Channel::WebSocket;
        match $by {
            By::Polling => {
                for packet in Packets::new(version, kind, &mut body, 9) {
                    told(match packet {
                        Ok(packet) => session.handle_packet(now, $polled, packet),
                        Err(error) => session.handle_error(now, $polled, error),
                    });
                }
            }
            By::WebSocket => told(match Packet::from_message(version, message(kind, $byte)) {
                Ok(packet) => session.handle_packet(now, socket, packet),
                Err(error) => session.handle_error(now, socket, error),
            }),
        }
        if outcome == Nothing && session.transport() == Transport::Polling {
            let close = session.next_packet(now, socket) == Some(Packet::Close);
            if close && $by == By::WebSocket {
                outcome = Refused;
            }
        }
        outcome
    }};
}

fn at_server(version: Version, by: By, when: When, kind: Kind, byte: u8) -> Outcome {
    let mut bench = match (by, when) {
        (By::Polling, _) | (_, When::Probing) => Bench::polling(version, Config::default()),
        (By::WebSocket, _) => Bench::websocket(version, Config::default()),
    };
    match when {
        When::Idle => {}
        When::Closing => bench.session.close(),
        When::Probing => {
            bench.connect().unwrap();
            bench.receive("2probe");
        }
    }
    if by == By::Polling {
        bench.post_begins().unwrap();
    }
    outcome!(
        bench.session,
        bench.now,
        Channel::Post,
        version,
        by,
        kind,
        byte
    )
}

fn at_client(version: Version, by: By, when: When, kind: Kind, byte: u8) -> Outcome {
    let mut client = match (by, when) {
        (By::Polling, _) | (_, When::Probing) => Client::polling(version, ClientConfig::default()),
        (By::WebSocket, _) => {
            let mut client = Client::new(version, ClientConfig::default(), Transport::WebSocket);
            client.connected();
            client.receive(OPEN);
            client
        }
    };
    match when {
        When::Idle => {}
        When::Closing => client.session.close(),
        When::Probing => client.connected(),
    }
    outcome!(
        client.session,
        client.now,
        Channel::Get,
        version,
        by,
        kind,
        byte
    )
}

#[test]
fn p24_every_first_byte_everywhere() {
    let mut cases = 0;
    for version in [Version::V3, Version::V4] {
        for by in [By::Polling, By::WebSocket] {
            for when in [When::Idle, When::Probing, When::Closing] {
                for kind in [Kind::Text, Kind::Binary] {
                    for byte in 0..=u8::MAX {
                        let case = (version, by, when, kind, byte);
                        let server = at_server(version, by, when, kind, byte);
                        let client = at_client(version, by, when, kind, byte);
                        let told = [true, false]
                            .map(|server| expected(server, version, by, when, kind, byte));
                        assert_eq!([server, client], told, "server, client: {case:?}");
                        cases += 2;
                    }
                }
            }
        }
    }
    assert_eq!(cases, 12_288);
}
