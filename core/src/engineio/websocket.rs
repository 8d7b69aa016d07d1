//! A WebSocket as a transport: packets and messages, and how either end of one is
//! the end of the other.
//!
//! A packet is a message of its own. What comes is read by
//! [`Packet::from_message`]; what goes, how a connection is closed, and what its
//! end means to the session stands here. The connection has to have
//! [`Config::max_message`](crate::websocket::Config::max_message) set to the
//! largest payload that the session takes. Engine.IO protocol, "WebSocket".

use alloc::vec::Vec;

use super::{Detach, Fault, Packet, PacketError, Reason, Version};
use crate::Kind;
use crate::websocket::{self, CloseCode, Connection, SendError, Violation};

/// Sends a packet as one message: as text if it is text, or if the peer takes
/// nothing else. `scratch` is storage, and holds anything before and afterwards.
///
/// # Errors
///
/// As [`Connection::send`]; nothing was sent then.
pub fn send(
    connection: &mut Connection,
    version: Version,
    takes: Kind,
    packet: &Packet<'_>,
    scratch: &mut Vec<u8>,
) -> Result<(), SendError> {
    scratch.clear();
    let kind = match takes {
        Kind::Binary => packet.encode_message(version, scratch),
        Kind::Text => {
            packet.encode_text(version, scratch);
            Kind::Text
        }
    };
    // What a packet has for text is text.
    connection.send_checked(kind, scratch)
}

/// With which code and words a WebSocket is closed for which
/// [`Packet::Close`] was given; `reason` is that of the session, which has none if
/// the WebSocket was only tried out, or has done what it was for.
pub const fn goodbye(reason: Option<Reason>, is_probe: bool) -> (CloseCode, &'static str) {
    match reason {
        Some(reason) => (close_code(reason), reason.name()),
        None if is_probe => (CloseCode::PROTOCOL_ERROR, "upgrade failed"),
        None => (CloseCode::NORMAL, ""),
    }
}

const fn close_code(reason: Reason) -> CloseCode {
    match reason {
        Reason::Forced | Reason::Peer => CloseCode::NORMAL,
        Reason::PingTimeout => CloseCode::INTERNAL_ERROR,
        Reason::Full | Reason::Fault(Fault::TooSlow) => CloseCode::POLICY,
        Reason::Fault(Fault::TooLarge { .. }) => CloseCode::TOO_BIG,
        Reason::Fault(Fault::Packet(PacketError::InvalidUtf8)) => CloseCode::INVALID_DATA,
        _ => CloseCode::PROTOCOL_ERROR,
    }
}

/// What the end of a connection with this limit is to the session: a fault, if it
/// was one of the peer's packets, and how the channel is to be detached.
pub const fn ended(reason: &websocket::Reason<'_>, limit: usize) -> (Option<Fault>, Detach) {
    match reason {
        // Many peers go without a Close.
        websocket::Reason::Closed(_) | websocket::Reason::Eof => (None, Detach::Done),
        websocket::Reason::Violation(Violation::MessageTooBig) => {
            // It was not read to its end.
            let size = limit as u64 + 1;
            (Some(Fault::TooLarge { limit, size }), Detach::Lost)
        }
        _ => (None, Detach::Lost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engineio::Channel;
    use crate::websocket::{Config, Role, SLICES, Timer};
    use crate::{Instant, Message};

    fn sent(version: Version, takes: Kind, packet: &Packet<'_>) -> Vec<u8> {
        let mut connection = Connection::new(Role::Server, Config::default(), Instant::ZERO);
        let mut scratch = b"anything".to_vec();
        send(&mut connection, version, takes, packet, &mut scratch).unwrap();
        let mut slices = [&[][..]; SLICES];
        let n = connection.poll_transmit(&mut slices);
        slices[..n].concat()
    }

    #[test]
    fn a_packet_is_a_message() {
        let binary = Packet::Message((&[1, 2, 3]).into());
        let text = Packet::Message("\u{20ac}".into());
        for (version, takes, packet, bytes) in [
            (
                Version::V4,
                Kind::Binary,
                &text,
                &b"\x81\x044\xe2\x82\xac"[..],
            ),
            (Version::V3, Kind::Text, &text, b"\x81\x044\xe2\x82\xac"),
            (Version::V4, Kind::Binary, &binary, b"\x82\x03\x01\x02\x03"),
            (
                Version::V3,
                Kind::Binary,
                &binary,
                b"\x82\x04\x04\x01\x02\x03",
            ),
            (Version::V4, Kind::Text, &binary, b"\x81\x05bAQID"),
            (Version::V3, Kind::Text, &binary, b"\x81\x06b4AQID"),
            (Version::V4, Kind::Binary, &Packet::Noop, b"\x81\x016"),
        ] {
            assert_eq!(
                sent(version, takes, packet),
                bytes,
                "{version:?} {packet:?}"
            );
        }
    }

    #[test]
    fn a_full_connection_takes_no_packet() {
        let config = Config {
            max_outgoing: 1,
            ..Config::default()
        };
        let mut connection = Connection::new(Role::Server, config, Instant::ZERO);
        let packet = Packet::Message("a".into());
        let mut scratch = Vec::new();
        let mut send = || {
            send(
                &mut connection,
                Version::V4,
                Kind::Binary,
                &packet,
                &mut scratch,
            )
        };
        assert_eq!(send(), Ok(()));
        assert_eq!(send(), Err(SendError::Full));
        let message = Message::from("whole");
        assert_eq!(
            connection.send(message),
            Err(SendError::Full),
            "none is half sent"
        );
    }

    #[test]
    fn p17_p23_a_websocket_is_closed_with_the_reason_of_the_session() {
        let (limit, size) = (10, 11);
        for (reason, code) in [
            (Reason::Forced, 1000),
            (Reason::Peer, 1000),
            (Reason::PingTimeout, 1011),
            (Reason::Full, 1008),
            (Reason::Lost(Channel::Post), 1002),
            (Reason::Fault(Fault::TooLarge { limit, size }), 1009),
            (Reason::Fault(Fault::Packet(PacketError::InvalidUtf8)), 1007),
            (Reason::Fault(Fault::Packet(PacketError::Empty)), 1002),
            (Reason::Fault(Fault::Unexpected), 1002),
        ] {
            let told = goodbye(Some(reason), false);
            assert_eq!((told.0.get(), told.1), (code, reason.name()));
        }
        assert_eq!(goodbye(None, true).0.get(), 1002);
        assert_eq!(goodbye(None, false).0.get(), 1000);
    }

    #[test]
    fn p23_a_message_above_the_limit_is_a_fault_of_the_session() {
        let too_big = websocket::Reason::Violation(Violation::MessageTooBig);
        let fault = Fault::TooLarge {
            limit: 10,
            size: 11,
        };
        assert_eq!(ended(&too_big, 10), (Some(fault), Detach::Lost));
        for (reason, detach) in [
            (websocket::Reason::Closed(None), Detach::Done),
            (websocket::Reason::Eof, Detach::Done),
            (websocket::Reason::Timeout(Timer::Stalled), Detach::Lost),
            (
                websocket::Reason::Violation(Violation::Unmasked),
                Detach::Lost,
            ),
        ] {
            assert_eq!(ended(&reason, 10), (None, detach));
        }
    }
}
