//! Engine.IO, servers and clients: HTTP by hyper, time and tasks of this runtime.
//!
//! Everything about sessions is said at [`sockeye::driver::engineio`]. A server
//! that sends back what it receives:
//!
//! ```no_run
//! use sockeye_tokio::engineio::{
//!     Handler, Message, Opening, Options, Refused, Runtime, Server, Session, serve,
//! };
//! use sockeye_tokio::handshake::Origins;
//! use tokio::net::TcpListener;
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type Data = ();
//!
//!     fn open(&self, _: &Opening<'_>) -> Result<(), Refused> {
//!         Ok(())
//!     }
//!
//!     fn message(&self, session: &Session<Self>, message: Message<'_>) {
//!         let _ = session.send(message);
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:3000").await?;
//! let until_stopped = std::future::pending();
//! let options = Options::new(Origins::SameHost);
//! let server = Server::new(Echo, options, Runtime::new());
//! serve(&server, listener, until_stopped).await;
//! # Ok(())
//! # }
//! ```
//!
//! A client, which needs no task:
//!
//! ```no_run
//! # async fn run() -> Result<(), sockeye_tokio::engineio::client::Error> {
//! let mut client = sockeye_tokio::engineio::connect("http://127.0.0.1:3000").await?;
//! client.send("hello").await?;
//! while let Some(message) = client.next().await {
//!     println!("{:?}", message?);
//! }
//! # Ok(())
//! # }
//! ```

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
pub use hyper_util::rt::TokioIo as HyperStream;
use hyper_util::rt::TokioTimer;
use sockeye::Instant;
use sockeye::driver::{self, Group, Member};
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep_until};

pub use sockeye::Message;
pub use sockeye::driver::engineio::client;
pub use sockeye::driver::engineio::{
    Exchange, Handler, Head, Inbox, Incoming, Opening, Options, Parked, Post, Refused, Server,
    ServerStats, Session, Upgrade,
};
pub use sockeye::driver::hyper::{Dial, HttpClient, Service};
pub use sockeye::engineio::*;

pub use crate::engineio_client::{Client, Connect, Dialer, connect};
use crate::io::{AsyncRead, AsyncWrite, Clock, timeout};
use crate::net::Listener;
use crate::server::{Served, accept_until};

/// Time and tasks of tokio, for a [`Server`].
#[derive(Clone, Debug)]
pub struct Runtime {
    epoch: Clock,
    /// Where tasks are spawned and timers made, whoever does it.
    handle: Option<Handle>,
}

impl Runtime {
    /// Of the runtime that this is called in, or that a server is called in later.
    pub fn new() -> Self {
        Self {
            epoch: Clock::now(),
            handle: Handle::try_current().ok(),
        }
    }
}

impl driver::Runtime for Runtime {
    type Sleep = Sleep;

    fn sleep_until(&self, at: Instant) -> Sleep {
        let _inside = self.handle.as_ref().map(Handle::enter);
        sleep_until(self.epoch + at.since(Instant::ZERO))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match &self.handle {
            Some(handle) => handle.spawn(task),
            None => tokio::spawn(task),
        };
    }

    fn now(&self) -> Instant {
        Instant::ZERO.after(self.epoch.elapsed())
    }

    fn random(&self, bytes: &mut [u8]) -> bool {
        getrandom::fill(bytes).is_ok()
    }
}

/// What clients need, which have no tasks.
pub(crate) fn client_runtime() -> Runtime {
    Runtime::new()
}

impl Default for Runtime {
    fn default() -> Self {
        Self::new()
    }
}

/// Serves HTTP on every connection that `listener` accepts, until `shutdown` is
/// ready: Engine.IO at its path, and nothing elsewhere.
///
/// For something beside it, give a [`Service`] to hyper, or to axum's
/// `route_service`.
///
/// On shutdown every session is closed, GETs that wait are answered, and new
/// sessions are refused with 503. This returns when all connections have ended.
/// Those that have not after ten seconds are dropped.
///
/// # Cancel safety
///
/// Dropping the future stops accepting, and drops the connections.
pub async fn serve<L: Listener, H: Handler>(
    server: &Server<H>,
    mut listener: L,
    shutdown: impl Future<Output = ()>,
) -> Served {
    let serving = Serving {
        service: Service::new(server.clone()).at_path(),
        tasks: Group::new(),
        open: Group::new(),
    };
    serving.accept_until(&mut listener, shutdown).await;
    let drained = async {
        timeout(DRAIN, server.close()).await;
        // Their answers have been given, or will never be.
        serving.open.dismiss();
        timeout(LAST_ANSWERS, serving.tasks.drained()).await;
    };
    serving.accept_until(&mut listener, drained).await;
    Served {
        dropped: serving.tasks.len(),
    }
}

/// How long sessions may take to close.
const DRAIN: Duration = Duration::from_secs(10);
/// How long connections may take after that to write what has been answered.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// How long the head of a request may take to arrive.
const HEAD: Duration = Duration::from_secs(10);

/// One call of [`serve`].
struct Serving<H: Handler> {
    service: Service<H>,
    /// The tasks of the connections, which are dropped when this is dismissed.
    tasks: Group,
    /// The connections, which end after the answer that is due.
    open: Group,
}

impl<H: Handler> Serving<H> {
    async fn accept_until<L: Listener>(&self, listener: &mut L, end: impl Future<Output = ()>) {
        accept_until(listener, end, |stream, peer| {
            let (task, open) = (self.tasks.join(), self.open.join());
            L::spawn(connection(
                task,
                open,
                stream,
                self.service.clone().peer(peer),
            ));
        })
        .await;
    }
}

impl<H: Handler> Drop for Serving<H> {
    fn drop(&mut self) {
        self.tasks.dismiss();
    }
}

/// The whole life of a connection.
async fn connection<S, H>(mut task: Member, mut open: Member, stream: S, service: Service<H>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(HyperStream::new(stream), service)
        .with_upgrades();
    let mut http = pin!(http);
    let mut is_leaving = false;
    poll_fn(|cx| {
        if task.poll_dismissed(cx).is_ready() {
            return Poll::Ready(());
        }
        if !is_leaving && open.poll_dismissed(cx).is_ready() {
            is_leaving = true;
            http.as_mut().graceful_shutdown();
        }
        // Clients come and go as they like.
        http.as_mut().poll(cx).map(drop)
    })
    .await;
}
