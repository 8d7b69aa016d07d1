//! The part of HTTP/1.1 that an upgrade needs.
