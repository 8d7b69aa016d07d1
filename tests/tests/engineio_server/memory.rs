//! What a session costs that says nothing.

use sockeye_tests::alloc::measure;
use sockeye_tests::wire::Frame;

use crate::kit::{Bed, Client, Peer};

const COUNT: isize = 1000;

/// The storage of tables and lines grows by doubling, and is counted as well.
fn each(work: impl FnOnce()) -> isize {
    let ((), usage) = measure(work);
    usage.held / COUNT
}

#[test]
fn an_idle_session_is_small() {
    let bed = Bed::new();
    let mut clients: Vec<Client> = Vec::with_capacity(COUNT as usize);
    let polling = each(|| {
        for _ in 0..COUNT {
            let client = bed.open();
            assert_eq!(client.post("4quiet"), 200);
            bed.app.told();
            clients.push(client);
        }
    });
    assert!(polling < 1000, "{polling} bytes");

    let mut gets = Vec::with_capacity(COUNT as usize);
    let waiting = each(|| gets.extend(clients.iter().map(Client::parked)));
    assert!(waiting < 200, "{waiting} bytes");

    let mut peers: Vec<Peer> = Vec::with_capacity(COUNT as usize);
    let sockets = each(|| {
        for _ in 0..COUNT {
            let mut peer = bed.open_socket();
            peer.received();
            bed.app.told();
            peers.push(peer);
        }
    });
    // The scripted transport and what it remembers is in this.
    assert!(sockets < 4000, "{sockets} bytes");
}

/// A message is lent to the application from what was read. What it sends is one
/// piece of storage, and the queue that it waits in another, since an empty one has
/// none.
#[test]
fn an_echo_by_websocket_allocates_twice() {
    const MESSAGES: usize = 1000;

    let bed = Bed::new();
    let mut peer = bed.open_socket();
    peer.world.forget_calls();
    let frames: Vec<u8> = (0..MESSAGES)
        .flat_map(|_| Frame::m0(0x81, "4quiet words").bytes())
        .collect();
    bed.app.set_listening(false);
    peer.input(&frames);
    let ((), usage) = measure(|| peer.input(&frames));
    assert_eq!(peer.received().len(), 1 + 2 * MESSAGES);
    let more = usage.allocations.saturating_sub(2 * MESSAGES);
    assert!(more < 100, "{more} more than two for each");
}
