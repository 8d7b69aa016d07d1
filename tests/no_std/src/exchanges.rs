//! Both ends of a handshake and of a connection, from bytes to bytes.

use alloc::vec::Vec;
use core::convert::Infallible;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use sockeye::driver::{Io, WebSocket};
use sockeye::websocket::handshake::{
    ClientEvent, ClientHandshake, ClientRequest, Origins, Refusal, Response, ServerEvent,
    ServerHandshake, ServerOptions,
};
use sockeye::websocket::{
    CloseCode, Config, Connection, Event, MaskSource, Message, Reason, Role, SLICES, Violation,
};
use sockeye::{Instant, Progress};

const NOW: Instant = Instant::ZERO;

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A request comes in two pieces, with a frame behind it, and is accepted.
pub fn server_accepts() -> bool {
    let mut handshake = ServerHandshake::new(ServerOptions::new(Origins::SameHost), NOW);
    let (begin, end) = REQUEST.split_at(40);
    let (mut begin, mut end) = (begin.to_vec(), [end, b"\x81\x80"].concat());
    let progress = handshake.handle_input(NOW, &mut begin);
    if progress.event.is_some() || !progress.rest.is_empty() {
        return false;
    }
    let progress = handshake.handle_input(NOW, &mut end);
    if progress.event != Some(ServerEvent::Request) || progress.rest != b"\x81\x80" {
        return false;
    }
    if handshake.accept(&Response::new()).is_err() {
        return false;
    }
    let mut slices = [&[][..]; SLICES];
    let count = handshake.poll_transmit(&mut slices);
    let written = slices[..count].concat();
    handshake.advance_transmit(written.len());
    written == RESPONSE && handshake.is_accepted()
}

/// A request that is for HTTP alone is answered with what it should ask for.
pub fn server_refuses() -> bool {
    let mut handshake = ServerHandshake::new(ServerOptions::new(Origins::Any), NOW);
    let mut request = *b"GET / HTTP/1.1\r\nHost: server.example.com\r\n\r\n";
    let event = handshake.handle_input(NOW, &mut request).event;
    let mut slices = [&[][..]; SLICES];
    let count = handshake.poll_transmit(&mut slices);
    let written = slices[..count].concat();
    event == Some(ServerEvent::Failed(Refusal::NoUpgrade))
        && written.starts_with(b"HTTP/1.1 426 Upgrade Required\r\n")
}

/// The client asks as the example in RFC 6455 section 1.2 does, and is let in.
pub fn client_opens() -> bool {
    let Ok(request) = ClientRequest::new("server.example.com", "/chat") else {
        return false;
    };
    let mut handshake = ClientHandshake::new(request, *b"the sample nonce", NOW);
    let mut slices = [&[][..]; SLICES];
    let count = handshake.poll_transmit(&mut slices);
    let written = slices[..count].concat();
    handshake.advance_transmit(written.len());
    let mut response = [RESPONSE, b"\x81\x02hi"].concat();
    let progress = handshake.handle_input(NOW, &mut response);
    written == REQUEST
        && progress.event == Some(ClientEvent::Open)
        && progress.rest == b"\x81\x02hi"
}

/// A client's masked messages, whole and in fragments, come back from a server
/// unmasked, the ping between them is answered, and both ends close.
pub fn connection_echoes() -> bool {
    let mut client = connection(Role::Client(MaskSource::from_fn(|| Some([1, 2, 3, 4]))));
    let mut server = connection(Role::Server);
    let sent = [
        client.send("κόσμε"),
        client.start(sockeye::websocket::Kind::Binary),
        client.part(b"frag", false),
        client.ping(b"there?"),
        client.part(b"ments", true),
        client.close(CloseCode::NORMAL, "done"),
    ];
    let request = written(&mut client);
    let masked = b"\x81\x8a\x01\x02\x03\x04\xcf\xb8";
    // A ping goes before the data that waits with it.
    let ping = b"\x89\x86\x01\x02\x03\x04\x75\x6a";
    if sent.iter().any(Result::is_err)
        || !request.starts_with(ping)
        || request.get(12..20) != Some(masked)
    {
        return false;
    }
    // A byte at a time, as a serial line might bring it.
    for byte in request {
        if !echo(&mut server, &mut [byte]) {
            return false;
        }
    }
    let answer = written(&mut server);
    let expected = [
        &b"\x8a\x06there?"[..],
        b"\x81\x0a",
        "κόσμε".as_bytes(),
        b"\x82\x09fragments",
        b"\x88\x02\x03\xe8",
    ];
    let mut seen = Vec::new();
    let mut answer_in = answer.clone();
    let mut input = &mut answer_in[..];
    loop {
        let Progress { event, rest } = client.handle_input(NOW, input);
        match event {
            Some(Event::Message(message)) => seen.push(message.into_owned()),
            Some(Event::Closed(Reason::Closed(Some(frame)))) => {
                let messages = [Message::from("κόσμε"), Message::from(b"fragments")];
                return frame.code == CloseCode::NORMAL
                    && seen == messages
                    && answer == expected.concat();
            }
            Some(_) => {}
            None => return false,
        }
        input = rest;
    }
}

/// A frame without a mask ends the connection, with the code for it.
pub fn connection_fails() -> bool {
    let mut server = connection(Role::Server);
    let mut input = *b"\x81\x02hi";
    let event = server.handle_input(NOW, &mut input).event;
    event == Some(Event::Closed(Reason::Violation(Violation::Unmasked)))
        && written(&mut server) == b"\x88\x02\x03\xea"
}

/// The driver echoes over a serial line, which gives and takes a byte at a time,
/// and ends with the closing handshake.
pub fn driver_echoes() -> bool {
    let input = *b"\x81\x82\0\0\0\0hi\x88\x82\0\0\0\0\x03\xe8";
    let line = Line {
        input: &input,
        output: Vec::new(),
        is_shut_down: false,
    };
    let mut websocket = WebSocket::new(line, connection(Role::Server));
    let mut cx = Context::from_waker(Waker::noop());
    let ended = {
        let echo = pin!(websocket.for_each(|connection, message| {
            // Refused once the connection is closing.
            let _ = connection.send(message);
        }));
        echo.poll(&mut cx)
    };
    let line = websocket.get_ref();
    matches!(ended, Poll::Ready(Ok(())))
        && line.output == b"\x81\x02hi\x88\x02\x03\xe8"
        && line.is_shut_down
}

struct Line<'i> {
    input: &'i [u8],
    output: Vec<u8>,
    is_shut_down: bool,
}

impl Io for Line<'_> {
    type Error = Infallible;

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize, Infallible>> {
        let (Some((byte, rest)), Some(slot)) = (self.input.split_first(), buf.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        *slot = *byte;
        self.input = rest;
        Poll::Ready(Ok(1))
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        bufs: &[&[u8]],
    ) -> Poll<Result<usize, Infallible>> {
        let byte = bufs.iter().find_map(|buf| buf.first());
        self.output.extend(byte);
        Poll::Ready(Ok(usize::from(byte.is_some())))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_shut_down = true;
        Poll::Ready(Ok(()))
    }

    fn now(&self) -> Instant {
        NOW
    }

    fn poll_deadline(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
        Poll::Pending
    }
}

fn connection(role: Role) -> Connection {
    Connection::new(role, Config::default(), NOW)
}

/// Sends back each message in `input`. False if that is refused.
fn echo(connection: &mut Connection, mut input: &mut [u8]) -> bool {
    loop {
        let Progress { event, rest } = connection.handle_input(NOW, input);
        match event {
            Some(Event::Message(message)) => {
                if connection.send(message).is_err() {
                    return false;
                }
            }
            Some(_) => {}
            None => return rest.is_empty(),
        }
        input = rest;
    }
}

/// All that waits to be written.
fn written(connection: &mut Connection) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let mut slices = [&[][..]; SLICES];
        let count = connection.poll_transmit(&mut slices);
        let bytes = slices[..count].concat();
        if bytes.is_empty() {
            return out;
        }
        connection.advance_transmit(bytes.len());
        out.extend_from_slice(&bytes);
    }
}
