//! Messages: RFC 6455 sections 5.4, 5.6 and 8.1.

use sockeye_tests::alloc::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

mod table {
    use sockeye_tests::vectors::check_connection;

    sockeye_tests::rows! {
        "message", check_connection:
        m01 m02 m03 m04 m05 m06 m07 m08 m09 m10 m11 m12 m14 m15 m17 m24
    }
}
