//! What names the runtime: dialling, listening, spawning.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

pub use tokio::net::TcpStream;

use crate::io::{AsyncRead, AsyncWrite};

/// Where a server takes connections from.
///
/// Implemented for TCP and Unix sockets; implement it to accept from anything
/// else.
pub trait Listener: Send {
    /// What is accepted.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection.
    ///
    /// # Cancel safety
    ///
    /// Has to be safe: the server drops this when it shuts down.
    fn accept(
        &mut self,
    ) -> impl Future<Output = io::Result<(Self::Stream, Option<SocketAddr>)>> + Send;

    /// Runs the task of a connection.
    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }
}

impl Listener for tokio::net::TcpListener {
    type Stream = TcpStream;

    /// Sets `TCP_NODELAY`.
    async fn accept(&mut self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        let (stream, peer) = tokio::net::TcpListener::accept(self).await?;
        // One that is gone already tells so when it is read.
        let _ = stream.set_nodelay(true);
        Ok((stream, Some(peer)))
    }
}

#[cfg(unix)]
impl Listener for tokio::net::UnixListener {
    type Stream = tokio::net::UnixStream;

    async fn accept(&mut self) -> io::Result<(Self::Stream, Option<SocketAddr>)> {
        let (stream, _) = tokio::net::UnixListener::accept(self).await?;
        Ok((stream, None))
    }
}

/// Connects to the first address of `host` that answers.
pub(crate) async fn dial(host: &str, port: u16, nodelay: bool) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(nodelay)?;
    Ok(stream)
}

pub(crate) fn peer_addr(stream: &TcpStream) -> Option<SocketAddr> {
    stream.peer_addr().ok()
}
