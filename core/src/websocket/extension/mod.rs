//! Extensions, RFC 6455 section 9.

pub mod header;
