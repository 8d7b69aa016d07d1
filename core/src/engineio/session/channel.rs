//! What brings packets and takes them.

/// A channel of a session: what its packets travel by at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A GET, which waits for packets of the server.
    Get,
    /// A POST, which brings packets of the client.
    Post,
    /// A WebSocket, which carries both.
    WebSocket,
}

/// How a channel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detach {
    /// An exchange was answered, or the WebSocket came to its end.
    Done,
    /// It was cut off: what it carried is lost.
    Lost,
}
