//! What names the runtime: dialling, listening, spawning.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use socket2::Socket;
use tokio::net::TcpSocket;
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

/// The addresses of a host.
pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// Connects a socket.
pub(crate) async fn connect(socket: Socket, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::from_std_stream(socket.into());
    socket.connect(address).await
}

pub(crate) fn peer_addr(stream: &TcpStream) -> Option<SocketAddr> {
    stream.peer_addr().ok()
}
