//! Engine.IO servers without sockets: requests as values, a clock that moves by
//! hand, WebSockets over a scripted transport.
//!
//! Rows P06, S09 to S11, S15 to S17, S19 to S26, U01, U04, U06, U08, U10, U11, U13 to
//! U15, B09, B11, T14, T18, T19 and T21 of the catalogue of abuse, as far as they are the
//! driver's.

mod inbox;
mod kit;
mod limits;
mod memory;
mod requests;
mod shutdown;
mod sockets;
mod transport;
