//! What the tests have in common.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use sockeye::websocket::handshake::Origins;
use sockeye::websocket::{Config, Message};

use super::pipe::{Pipe, pipe};
use crate::runtime::adapter::{Connect, Error, Server, WebSocket};

pub const URL: &str = "ws://localhost/ws";

/// A client and a server that have shaken hands over pipes of 4 KiB.
pub async fn pair() -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    let (here, there) = pipe(4096);
    pair_over(here, there, Config::default()).await
}

pub async fn pair_over(
    client: Pipe,
    server: Pipe,
    config: Config,
) -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    let with_config = Server::new(Origins::Any).config(config.clone());
    let connecting = Connect::new(URL).unwrap().config(config).over(client);
    let (client, server) = join(connecting, with_config.accept(server)).await;
    (client.unwrap(), server.unwrap())
}

/// Both, at the same time.
pub async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_is, mut b_is) = (None, None);
    poll_fn(|cx| {
        step_of(a.as_mut(), &mut a_is, cx);
        step_of(b.as_mut(), &mut b_is, cx);
        match a_is.is_some() && b_is.is_some() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    (a_is.unwrap(), b_is.unwrap())
}

fn step_of<F: Future>(work: Pin<&mut F>, output: &mut Option<F::Output>, cx: &mut Context<'_>) {
    if output.is_none() {
        if let Poll::Ready(is) = work.poll(cx) {
            *output = Some(is);
        }
    }
}

/// What `work` gives at the first poll, if anything; then it is dropped.
pub async fn once<F: Future>(work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Whether `work` panics before it is done.
pub async fn panics<F: Future>(work: F) -> bool {
    let mut work = pin!(work);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(poll) => poll.map(|_| false),
            Err(_) => Poll::Ready(true),
        },
    )
    .await
}

/// Lets other tasks run.
pub async fn step() {
    let mut first = true;
    poll_fn(|cx| match std::mem::take(&mut first) {
        true => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        false => Poll::Ready(()),
    })
    .await;
}

/// Sends back what comes, to the end.
pub async fn echo<S>(mut websocket: WebSocket<S>) -> Result<(), Error>
where
    crate::runtime::adapter::Transport<S>: sockeye::driver::Io<Error = std::io::Error>,
{
    websocket
        .for_each(|connection, message| {
            let _ = connection.send(message);
        })
        .await
}

pub fn text(message: Option<Result<Message<'static>, Error>>) -> String {
    message
        .expect("a message")
        .expect("no error")
        .as_text()
        .expect("a text")
        .to_owned()
}

/// A waker that counts.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    /// A count, and the waker that it counts.
    pub fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        let waker = count.clone().into();
        (count, waker)
    }

    pub fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
