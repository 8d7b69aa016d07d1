//! What a session costs that says nothing.

use sockeye_tests::alloc::measure;

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
