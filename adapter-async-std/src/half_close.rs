//! Sockets of async-std whose output can be ended.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_std::net::TcpStream;
#[cfg(unix)]
use async_std::os::unix::net::UnixStream;

use crate::io::{AsyncRead, AsyncWrite};

/// A socket of async-std that ends its output when it is closed, as those of
/// smol do, so that the peer sees the end before the socket is dropped.
///
/// RFC 6455 section 7.1.1 has the server end the transport first: wrap the
/// sockets that you pass to [`accept`](crate::accept). A
/// [`Listener`](crate::Listener) does.
#[derive(Clone, Debug)]
pub struct HalfClose<S>(pub S);

impl<S: AsyncRead + Unpin> AsyncRead for HalfClose<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

/// `AsyncWrite` with an end.
macro_rules! half_close {
    ($socket:ty) => {
        impl AsyncWrite for HalfClose<$socket> {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.0).poll_write(cx, buf)
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0).poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.0.shutdown(Shutdown::Write))
            }
        }
    };
}

half_close!(TcpStream);
#[cfg(unix)]
half_close!(UnixStream);
