//! sockeye on tokio.
