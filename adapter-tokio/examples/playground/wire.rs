//! A socket whose bytes are counted, and tasks whose time is.
//!
//! A browser sends one request after another over a connection, whichever panel
//! they are for. So what is read first after something was written begins a
//! request, whose path says to whom the bytes belong from there on, those of the
//! answer included. TCP's own headers are not counted.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sockeye_tokio::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use crate::lab::{Cut, Lab, Labs, Panel};

/// A connection, counted for the panel that it works for.
pub(crate) struct Counted {
    stream: TcpStream,
    /// Its place among all connections.
    _place: OwnedSemaphorePermit,
    labs: Labs,
    account: Option<Account>,
    phase: Phase,
}

/// Whose bytes they are.
struct Account {
    lab: Arc<Lab>,
    panel: Panel,
    cut: Pin<Box<dyn Future<Output = Cut> + Send>>,
}

/// What the next bytes belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// What is read begins a request.
    Answered,
    Request,
    /// There are no requests any more.
    Upgraded,
    Cut,
}

impl Counted {
    pub(crate) fn new(stream: TcpStream, place: OwnedSemaphorePermit, labs: Labs) -> Self {
        Self {
            stream,
            _place: place,
            labs,
            account: None,
            phase: Phase::Answered,
        }
    }

    /// Whether the connection goes on: somebody may have cut it.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(account) = &mut self.account else {
            return Ok(());
        };
        touch(&account.lab, account.panel);
        while self.phase != Phase::Cut {
            let Poll::Ready(cut) = account.cut.as_mut().poll(cx) else {
                return Ok(());
            };
            if cut == Cut::Everything || self.phase == Phase::Upgraded {
                self.phase = Phase::Cut;
            } else {
                account.cut = account.lab.cut();
            }
        }
        Err(io::ErrorKind::ConnectionReset.into())
    }

    fn has_read(&mut self, bytes: &[u8]) {
        if self.phase == Phase::Answered && !bytes.is_empty() {
            self.phase = Phase::Request;
            self.begin(bytes);
            if let Some(account) = &self.account {
                account.lab.meter(account.panel).requests.add(1);
            }
        }
        if let Some(account) = &self.account {
            account.lab.meter(account.panel).bytes_in.add(bytes.len());
        }
    }

    /// A request begins: whose is it?
    fn begin(&mut self, head: &[u8]) {
        let head = String::from_utf8_lossy(head.get(..256).unwrap_or(head));
        let path = head.split([' ', '?']).nth(1).unwrap_or_default();
        let named = self.labs.named(path);
        self.account = match (named, self.account.take()) {
            (Some((lab, panel)), Some(account)) if Arc::ptr_eq(&lab, &account.lab) => {
                Some(Account { panel, ..account })
            }
            (Some((lab, panel)), _) => {
                let cut = lab.cut();
                Some(Account { lab, panel, cut })
            }
            (None, _) => None,
        };
    }

    fn has_written(&mut self, first: &[u8], n: usize) {
        if self.phase == Phase::Request {
            self.phase = match first.starts_with(b"HTTP/1.1 101") {
                true => Phase::Upgraded,
                false => Phase::Answered,
            };
        }
        if let Some(account) = &self.account {
            account.lab.meter(account.panel).bytes_out.add(n);
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.has_read(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let n = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.has_written(buf, n);
        Poll::Ready(Ok(n))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let n = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.has_written(first.map_or(&[], |buf| buf), n);
        Poll::Ready(Ok(n))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

thread_local! {
    /// For whom the task that runs on this thread has touched a socket.
    static TOUCHED: RefCell<Option<(Arc<Lab>, Panel)>> = const { RefCell::new(None) };
}

fn touch(lab: &Arc<Lab>, panel: Panel) {
    TOUCHED.set(Some((lab.clone(), panel)));
}

/// A task whose time on a processor is counted for the panel whose socket it touches.
pub(crate) async fn timed<T>(task: impl Future<Output = T>) -> T {
    let mut task = Box::pin(task);
    std::future::poll_fn(|cx| {
        TOUCHED.take();
        let begin = processor_time();
        let polled = task.as_mut().poll(cx);
        if let Some((lab, panel)) = TOUCHED.take() {
            let passed = processor_time().saturating_sub(begin);
            lab.meter(panel).busy.add(passed.as_nanos() as usize);
        }
        polled
    })
    .await
}

/// What this thread has had of a processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
