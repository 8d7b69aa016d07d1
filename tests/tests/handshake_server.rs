//! The server's side of the opening handshake: rows H of the rules.

use sockeye_tests::handshake::ServerVector;
use sockeye_tests::vectors;

#[test]
fn every_request_gets_its_answer() {
    for vector in vectors::load::<ServerVector>("handshake_server") {
        vector.check();
    }
}
