//! A stream in memory that speaks the traits of both runtimes, and is as
//! awkward as it is told to be.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// One end.
#[derive(Debug)]
pub struct Pipe {
    input: Arc<Mutex<Line>>,
    output: Arc<Mutex<Line>>,
    /// The most bytes of one read or write.
    pub chunk: usize,
    /// Whether every other call finds nothing at first.
    pub reluctant: bool,
    reads: usize,
    writes: usize,
}

#[derive(Debug, Default)]
struct Line {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// Nothing more will be written.
    ended: bool,
    /// Reading and writing fail with this.
    broken: Option<ErrorKind>,
    waiting: Vec<Waker>,
}

impl Line {
    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

/// Two ends that are connected; each way holds `capacity` bytes.
pub fn pipe(capacity: usize) -> (Pipe, Pipe) {
    let line = || {
        Arc::new(Mutex::new(Line {
            capacity,
            ..Line::default()
        }))
    };
    let [one, two] = [line(), line()];
    let end = |input: &Arc<Mutex<Line>>, output: &Arc<Mutex<Line>>| Pipe {
        input: input.clone(),
        output: output.clone(),
        chunk: usize::MAX,
        reluctant: false,
        reads: 0,
        writes: 0,
    };
    (end(&one, &two), end(&two, &one))
}

impl Pipe {
    /// One byte at a time, and `Pending` before each.
    pub fn awkward(mut self) -> Self {
        self.chunk = 1;
        self.reluctant = true;
        self
    }

    /// Both ways fail from now on, at both ends.
    pub fn break_with(&self, kind: ErrorKind) {
        for line in [&self.input, &self.output] {
            let mut line = line.lock().unwrap();
            line.broken = Some(kind);
            line.wake();
        }
    }

    pub fn read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.reads += 1;
        if hesitates(self.reluctant, self.reads, cx) {
            return Poll::Pending;
        }
        let mut line = self.input.lock().unwrap();
        if let Some(kind) = line.broken {
            return Poll::Ready(Err(kind.into()));
        }
        let n = line.bytes.len().min(buf.len()).min(self.chunk);
        if n == 0 && !line.ended {
            line.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        for (to, from) in buf.iter_mut().zip(line.bytes.drain(..n)) {
            *to = from;
        }
        line.wake();
        Poll::Ready(Ok(n))
    }

    pub fn write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writes += 1;
        if hesitates(self.reluctant, self.writes, cx) {
            return Poll::Pending;
        }
        let mut line = self.output.lock().unwrap();
        if let Some(kind) = line.broken {
            return Poll::Ready(Err(kind.into()));
        }
        if self.chunk == 0 {
            return Poll::Ready(Ok(0));
        }
        let room = line.capacity - line.bytes.len();
        let n = room.min(buf.len()).min(self.chunk);
        if n == 0 {
            line.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        line.bytes.extend(&buf[..n]);
        line.wake();
        Poll::Ready(Ok(n))
    }

    pub fn end(&mut self) {
        let mut line = self.output.lock().unwrap();
        line.ended = true;
        line.wake();
    }
}

/// Whether this call finds nothing, and the next one is worth it.
fn hesitates(reluctant: bool, call: usize, cx: &mut Context<'_>) -> bool {
    let hesitates = reluctant && call % 2 == 1;
    if hesitates {
        cx.waker().wake_by_ref();
    }
    hesitates
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.end();
        // What is still written to this end has nowhere to go.
        let mut line = self.input.lock().unwrap();
        line.broken.get_or_insert(ErrorKind::BrokenPipe);
        line.wake();
    }
}

impl tokio::io::AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.read(cx, buf.initialize_unfilled());
        read.map_ok(|n| buf.advance(n))
    }
}

impl tokio::io::AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}

impl futures_io::AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.read(cx, buf)
    }
}

impl futures_io::AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}
