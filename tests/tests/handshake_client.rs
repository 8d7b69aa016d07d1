//! The client's side of the opening handshake: rows C of the rules.

use sockeye_tests::handshake::ClientVector;
use sockeye_tests::vectors;

#[test]
fn every_response_is_judged() {
    for vector in vectors::load::<ClientVector>("handshake_client") {
        vector.check();
    }
}
