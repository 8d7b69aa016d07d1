//! sockeye on async-std.
