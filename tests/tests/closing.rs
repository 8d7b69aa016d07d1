//! The closing handshake: RFC 6455 sections 5.5.1, 7.1 and 7.4.

mod table {
    use sockeye_tests::vectors::check_connection;

    sockeye_tests::rows! {
        "close", check_connection:
        k01 k03 k04 k05 k06 k07 k13
    }
}
