//! Every vector of the tables, over a stream in memory: the same suite that the
//! codecs and the bare connection go through.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use sockeye::driver::{self, HandshakeError, Io};
use sockeye::websocket::handshake::Origins;
use sockeye::websocket::{Config, Connection, Event, Reason};
use sockeye_tests::cuts::{Cut, cuts};
use sockeye_tests::handshake::{ClientVector, NONCE, ServerVector};
use sockeye_tests::trace::Trace;
use sockeye_tests::vectors::{self, Vector};

use super::kit::once;
use super::pipe::{Pipe, pipe};
use crate::runtime::adapter::{AcceptError, Error, Server, Transport, WebSocket, mask_keys};
use crate::runtime::block_on;

#[test]
fn every_vector_of_a_connection() {
    let vectors = vectors::all();
    assert!(vectors.len() > 100);
    block_on(async {
        for vector in vectors {
            // Long ones are cut everywhere on the bare connection.
            let len = vector.input.len();
            let is_tried = |cut: &Cut| match cut {
                Cut::Whole => true,
                Cut::Bytes => len <= 4096,
                Cut::At(_) => len <= 64,
            };
            for cut in cuts(len).filter(is_tried) {
                check(&vector, cut).await;
            }
        }
    });
}

async fn check(vector: &Vector, cut: Cut) {
    let (here, mut peer) = pipe(1 << 26);
    let here = Transport::new(here);
    let connection = Connection::new(vector.role.role(), vector.config(), here.now());
    let mut websocket = WebSocket::new(here, connection);

    let mut trace = Trace::default();
    let mut end = None;
    for chunk in cut.chunks(&vector.input) {
        peer.put_all(chunk);
        end = end.or(drive(&mut websocket, &peer, &mut trace).await);
        trace.output.extend(peer.take_all());
    }
    if vector.eof {
        peer.end();
        end = end.or(drive(&mut websocket, &peer, &mut trace).await);
        trace.output.extend(peer.take_all());
    }
    // The last event is told by the result and by `close_reason`.
    let reason = websocket.close_reason().cloned();
    if let Some(reason) = &reason {
        trace.push(Event::Closed(reason.clone()));
    }
    vector.check(&trace, &cut);

    // Once the peer is gone it is over, in the way that was decided before.
    drop(peer);
    let end = match end {
        None => websocket.for_each(|_, _| {}).await,
        Some(end) => end,
    };
    let reason = reason.unwrap_or(Reason::Eof);
    match end {
        Ok(()) => assert!(reason.is_clean(), "{}, {cut:?}", vector.name()),
        Err(Error::Ended(told)) => assert_eq!(told, reason, "{}, {cut:?}", vector.name()),
        Err(error) => panic!("{error} of {}, {cut:?}", vector.name()),
    }
}

/// Lets the connection read everything, and gives its end if it has come.
async fn drive(
    websocket: &mut WebSocket<Pipe>,
    peer: &Pipe,
    trace: &mut Trace,
) -> Option<Result<(), Error>> {
    loop {
        let each = websocket.for_each_event(|_, event| trace.push(event.into_owned()));
        let end = once(each).await;
        if end.is_some() || peer.unread_there() == 0 {
            return end;
        }
    }
}

#[test]
fn every_vector_of_a_server_handshake() {
    block_on(async {
        for vector in vectors::load::<ServerVector>("handshake_server") {
            for chunk in [usize::MAX, 1] {
                check_server(&vector, chunk).await;
            }
        }
    });
}

async fn check_server(vector: &ServerVector, chunk: usize) {
    let case = format!("{} {}, {chunk} at once", vector.id, vector.about);
    let (mut peer, mut here) = pipe(1 << 20);
    here.chunk = chunk;
    peer.put_all(&vector.input());
    // A client that is refused closes; here it has nothing more to say.
    peer.end();
    let server = Server::new(Origins::Any).options(vector.options());
    let server = server.protocols(vector.speaks());
    let event = match server.accept(here).await {
        Ok(websocket) => {
            let mut parts = websocket.into_parts();
            parts.unread.extend(parts.io.get_mut().take_all());
            assert_eq!(parts.unread, vector.rest, "{case}");
            "Request".into()
        }
        Err(AcceptError::Handshake(HandshakeError::Request(refusal))) => {
            format!("Failed({refusal:?})")
        }
        Err(error) => panic!("{error} of {case}"),
    };
    assert_eq!(event, vector.event, "{case}");
    vector.check_answer(&peer.take_all());
}

#[test]
fn every_vector_of_a_client_handshake() {
    block_on(async {
        for vector in vectors::load::<ClientVector>("handshake_client") {
            for chunk in [usize::MAX, 1] {
                check_client(&vector, chunk).await;
            }
        }
    });
}

async fn check_client(vector: &ClientVector, chunk: usize) {
    let case = format!("{} {}, {chunk} at once", vector.id, vector.about);
    let (mut peer, mut here) = pipe(1 << 20);
    here.chunk = chunk;
    let here = Transport::new(here);
    let (request, config) = (vector.request(), Config::default());
    let mut connecting = pin!(driver::connect(here, request, NONCE, mask_keys(), config));
    let mut answered = false;
    let result = poll_fn(|cx| {
        let poll = connecting.as_mut().poll(cx).map(Some);
        if poll.is_ready() {
            return poll;
        }
        // The server speaks when it is asked.
        if !std::mem::replace(&mut answered, true) {
            assert!(
                peer.take_all().starts_with(b"GET /ws HTTP/1.1\r\n"),
                "{case}"
            );
            peer.put_all(&vector.input());
            if vector.eof {
                peer.end();
            }
            return Poll::Pending;
        }
        match peer.unread_there() {
            0 => Poll::Ready(None),
            _ => Poll::Pending,
        }
    });
    let event = match result.await {
        None => None,
        Some(Ok((websocket, response))) => {
            vector.check_seen(Some(&response), &case);
            let mut parts = websocket.into_parts();
            parts.unread.extend(parts.io.get_mut().take_all());
            assert_eq!(parts.unread, vector.rest, "{case}");
            Some("Open".into())
        }
        Some(Err(HandshakeError::Violation(violation))) => Some(format!("Failed({violation:?})")),
        Some(Err(HandshakeError::Lost(lost))) => Some(format!("Lost({lost:?})")),
        Some(Err(HandshakeError::Refused(response))) => {
            vector.check_seen(Some(&response), &case);
            Some("Refused".into())
        }
        Some(Err(HandshakeError::Redirect(response))) => {
            vector.check_seen(Some(&response), &case);
            Some("Redirect".into())
        }
        Some(Err(error)) => panic!("{error} of {case}"),
    };
    assert_eq!(event, vector.event, "{case}");
}
