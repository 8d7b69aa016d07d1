//! Streams of hyper's, driven with the clock of a runtime.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use sockeye::driver::hyper::Transport;
use sockeye::driver::{Error, WebSocket};
use sockeye::websocket::{Config, Connection, Reason, Role, Timer};
use sockeye::{Instant, Message};
use sockeye_tests::runtime::Runtime;

/// Takes everything, is interrupted at first each time, and never says a word.
#[derive(Clone, Default)]
struct Silent(Arc<Mutex<Written>>);

#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    calls: usize,
}

impl Silent {
    fn interrupted(&self) -> io::Result<()> {
        let mut written = self.0.lock().unwrap();
        written.calls += 1;
        match written.calls % 2 {
            1 => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(()),
        }
    }
}

impl Read for Silent {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl Write for Silent {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.interrupted()?;
        let mut written = self.0.lock().unwrap();
        bufs.iter()
            .for_each(|buf| written.bytes.extend_from_slice(buf));
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn deadlines_come_when_they_are_due_and_writes_go_out_whole() {
    let runtime = Runtime::new();
    let stream = Silent::default();
    let transport = Transport::new(stream.clone(), runtime.clone());
    let connection = Connection::new(Role::Server, Config::default(), Instant::ZERO);
    let mut websocket = WebSocket::new(transport, connection);
    let large = vec![7; 10_000];
    let sent = large.clone();
    let task = runtime.start(async move {
        // A header and a payload that is not copied: two slices.
        websocket.send(Message::from("small")).await.unwrap();
        websocket.send(Message::from(sent)).await.unwrap();
        websocket.next().await
    });
    let take = || std::mem::take(&mut stream.0.lock().unwrap().bytes);
    let mut expected = b"\x81\x05small\x82\x7e\x27\x10".to_vec();
    expected.extend(large);
    assert!(take() == expected);

    runtime.pass(Duration::from_millis(19_999));
    assert!(take().is_empty());
    runtime.pass(Duration::from_millis(1));
    assert_eq!(take()[0], 0x89, "a ping");
    runtime.pass(Duration::from_millis(19_999));
    assert!(task.take().is_none());
    runtime.pass(Duration::from_millis(1));
    let end = task.take().unwrap();
    let Some(Err(Error::Ended(Reason::Timeout(Timer::Pong)))) = end else {
        panic!("{end:?}");
    };
}
