//! A stream in memory that speaks the traits of both runtimes, and is as
//! awkward as it is told to be.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

/// One end.
#[derive(Debug)]
pub struct Pipe {
    input: Arc<Mutex<Line>>,
    output: Arc<Mutex<Line>>,
    /// The most bytes of one read or write.
    pub chunk: usize,
    /// Whether every other call finds nothing at first.
    pub reluctant: bool,
    /// Whether every other call is interrupted at first.
    pub interrupted: bool,
    /// Whether it looks at what it is given to read into, all of it.
    pub curious: bool,
    /// Whether it is read by hyper, which lends what is not initialised.
    pub hypers: bool,
    /// Whether ending the output never succeeds.
    pub stuck: bool,
    reads: usize,
    writes: usize,
    /// How much each write took.
    pub written: Vec<usize>,
    /// Held as long as this end is.
    pub alive: Option<Arc<()>>,
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
        interrupted: false,
        curious: false,
        hypers: false,
        stuck: false,
        reads: 0,
        writes: 0,
        written: Vec::new(),
        alive: None,
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

    /// How many bytes wait to be read at the other end.
    pub fn unread_there(&self) -> usize {
        self.output.lock().unwrap().bytes.len()
    }

    /// Forgets who waits at the other end.
    pub fn forget_wakers(&self) {
        self.output.lock().unwrap().waiting.clear();
    }

    /// The other end has ended: nothing more will come, or be read.
    pub fn is_over(&self) -> bool {
        let input = self.input.lock().unwrap();
        input.ended && input.bytes.is_empty()
    }

    /// Takes everything that waits.
    pub fn take_all(&mut self) -> Vec<u8> {
        let mut line = self.input.lock().unwrap();
        let bytes = line.bytes.drain(..).collect();
        line.wake();
        bytes
    }

    /// Lets the other end read `bytes`, however many.
    pub fn put_all(&mut self, bytes: &[u8]) {
        let mut line = self.output.lock().unwrap();
        line.bytes.extend(bytes);
        line.wake();
    }

    pub fn read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.curious {
            let sum: u64 = buf.iter().map(|byte| u64::from(*byte)).sum();
            assert_ne!(sum, u64::MAX);
        }
        self.reads += 1;
        ready!(self.hesitate(self.reads, cx))?;
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

    pub fn write(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<io::Result<usize>> {
        self.writes += 1;
        ready!(self.hesitate(self.writes, cx))?;
        let mut line = self.output.lock().unwrap();
        if let Some(kind) = line.broken {
            return Poll::Ready(Err(kind.into()));
        }
        if self.chunk == 0 {
            return Poll::Ready(Ok(0));
        }
        let room = line.capacity.saturating_sub(line.bytes.len());
        let mut left = room.min(self.chunk);
        let mut n = 0;
        for buf in bufs {
            let taken = buf.len().min(left);
            line.bytes.extend(&buf[..taken]);
            left -= taken;
            n += taken;
        }
        if n == 0 {
            line.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        line.wake();
        self.written.push(n);
        Poll::Ready(Ok(n))
    }

    /// What has to be overcome before each call that does something.
    fn hesitate(&self, call: usize, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let period = 1 + usize::from(self.interrupted) + usize::from(self.reluctant);
        match call % period {
            0 => Poll::Ready(Ok(())),
            1 if self.interrupted => Poll::Ready(Err(ErrorKind::Interrupted.into())),
            _ => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    pub fn end(&mut self) {
        let mut line = self.output.lock().unwrap();
        line.ended = true;
        line.wake();
    }
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
        assert!(
            self.hypers || buf.initialized().len() == buf.capacity(),
            "nothing to initialise"
        );
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
        self.write(cx, &[buf])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bufs: Vec<&[u8]> = bufs.iter().map(|buf| &**buf).collect();
        self.write(cx, &bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stuck {
            return Poll::Pending;
        }
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
        self.write(cx, &[buf])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bufs: Vec<&[u8]> = bufs.iter().map(|buf| &**buf).collect();
        self.write(cx, &bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stuck {
            return Poll::Pending;
        }
        self.end();
        Poll::Ready(Ok(()))
    }
}
