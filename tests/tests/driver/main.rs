//! The driver over a scripted transport, without a runtime.
//!
//! Rows T06, T07, T08, T10, T11, T12, T13 and T21 of the catalogue of abuse.

mod deadlines;
mod disturbed;
mod handshakes;
mod rules;
mod scenarios;
mod split;
