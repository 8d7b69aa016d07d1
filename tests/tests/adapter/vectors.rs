//! Every vector of the tables, over a stream in memory: the same suite that the
//! codecs and the bare connection go through.

use sockeye::driver::Io;
use sockeye::websocket::{Connection, Event, Reason};
use sockeye_tests::cuts::{Cut, cuts};
use sockeye_tests::trace::Trace;
use sockeye_tests::vectors::{self, Vector};

use super::kit::once;
use super::pipe::{Pipe, pipe};
use crate::runtime::adapter::{Error, Transport, WebSocket};
use crate::runtime::block_on;

#[test]
fn every_vector_of_a_connection() {
    let vectors = vectors::all();
    assert!(vectors.len() > 100);
    block_on(async {
        for vector in vectors {
            // Long ones are cut everywhere on the bare connection.
            let is_short = vector.input.len() <= 64;
            for cut in cuts(vector.input.len()) {
                if is_short || !matches!(cut, Cut::At(_)) {
                    check(&vector, cut).await;
                }
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
