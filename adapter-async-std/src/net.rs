//! What names the runtime: dialling, listening, spawning.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use async_io::Async;
pub use async_net::TcpStream;
use socket2::Socket;

use crate::io::{AsyncRead, AsyncWrite};

/// Where a server takes connections from, and on which executor it serves them.
///
/// Implemented for the TCP and Unix sockets of async-std and of smol; implement
/// it to accept from anything else, or to spawn elsewhere.
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
    fn spawn(task: impl Future<Output = ()> + Send + 'static);
}

/// The addresses of a host.
pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    async_net::resolve((host, port)).await
}

/// Connects a socket.
pub(crate) async fn connect(socket: Socket, address: SocketAddr) -> io::Result<TcpStream> {
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(UNDER_WAY) => return Err(error),
        _ => {}
    }
    let stream = Async::new(std::net::TcpStream::from(socket))?;
    stream.writable().await?;
    match stream.get_ref().take_error()? {
        Some(error) => Err(error),
        None => Ok(stream.into()),
    }
}

#[cfg(unix)]
const UNDER_WAY: i32 = libc::EINPROGRESS;
/// `WSAEWOULDBLOCK`.
#[cfg(not(unix))]
const UNDER_WAY: i32 = 10_035;

pub(crate) fn peer_addr(stream: &TcpStream) -> Option<SocketAddr> {
    stream.peer_addr().ok()
}

#[cfg(feature = "smol")]
mod smol_listeners {
    use async_net::{TcpListener, TcpStream};

    use super::{Listener, SocketAddr, io};

    impl Listener for TcpListener {
        type Stream = TcpStream;

        /// Sets `TCP_NODELAY`.
        async fn accept(&mut self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
            let (stream, peer) = TcpListener::accept(self).await?;
            // One that is gone already tells so when it is read.
            let _ = stream.set_nodelay(true);
            Ok((stream, Some(peer)))
        }

        fn spawn(task: impl Future<Output = ()> + Send + 'static) {
            smol::spawn(task).detach();
        }
    }

    #[cfg(unix)]
    impl Listener for async_net::unix::UnixListener {
        type Stream = async_net::unix::UnixStream;

        async fn accept(&mut self) -> io::Result<(Self::Stream, Option<SocketAddr>)> {
            let (stream, _) = async_net::unix::UnixListener::accept(self).await?;
            Ok((stream, None))
        }

        fn spawn(task: impl Future<Output = ()> + Send + 'static) {
            smol::spawn(task).detach();
        }
    }
}

#[cfg(feature = "async-std")]
mod async_std_listeners {
    use async_std::net::{TcpListener, TcpStream};
    use async_std::task;

    use super::{Listener, SocketAddr, io};
    use crate::HalfClose;

    impl Listener for TcpListener {
        type Stream = HalfClose<TcpStream>;

        /// Sets `TCP_NODELAY`.
        async fn accept(&mut self) -> io::Result<(Self::Stream, Option<SocketAddr>)> {
            let (stream, peer) = TcpListener::accept(self).await?;
            // One that is gone already tells so when it is read.
            let _ = stream.set_nodelay(true);
            Ok((HalfClose(stream), Some(peer)))
        }

        fn spawn(task: impl Future<Output = ()> + Send + 'static) {
            task::spawn(task);
        }
    }

    #[cfg(unix)]
    impl Listener for async_std::os::unix::net::UnixListener {
        type Stream = HalfClose<async_std::os::unix::net::UnixStream>;

        async fn accept(&mut self) -> io::Result<(Self::Stream, Option<SocketAddr>)> {
            let (stream, _) = async_std::os::unix::net::UnixListener::accept(self).await?;
            Ok((HalfClose(stream), None))
        }

        fn spawn(task: impl Future<Output = ()> + Send + 'static) {
            task::spawn(task);
        }
    }
}
