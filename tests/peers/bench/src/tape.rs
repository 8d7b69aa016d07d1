//! A transport in memory: an endless tape to read from, and a drain to write to.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::count::call;

/// What one read gives at the most.
pub const READ: usize = 64 * 1024;

/// The same bytes again and again, in reads of 64 KiB; what is written is
/// counted and forgotten.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    bytes: Vec<u8>,
    at: usize,
    /// Bytes that were written.
    pub written: u64,
}

impl Tape {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    /// Gives the next bytes to `put`, in two parts where the tape begins anew.
    #[inline]
    fn give(&mut self, room: usize, mut put: impl FnMut(&[u8])) -> usize {
        call();
        let wanted = room.min(READ);
        let mut left = wanted;
        while left > 0 {
            let n = left.min(self.bytes.len() - self.at);
            put(&self.bytes[self.at..self.at + n]);
            self.at += n;
            left -= n;
            if self.at == self.bytes.len() {
                self.at = 0;
            }
        }
        wanted
    }
}

impl Read for Tape {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        Ok(self.give(buf.len(), |bytes| {
            buf[filled..filled + bytes.len()].copy_from_slice(bytes);
            filled += bytes.len();
        }))
    }
}

impl Write for Tape {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.written += black_box(buf).len() as u64;
        Ok(buf.len())
    }

    #[inline]
    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let mut n = 0;
        for buf in bufs {
            n += self.write(buf)?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Tape {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buf.remaining();
        self.give(room, |bytes| buf.put_slice(bytes));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tape {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
