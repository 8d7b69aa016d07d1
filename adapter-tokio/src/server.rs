//! Accepting.

use std::fmt;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use sockeye::driver::{Group, Incoming, Member};
use sockeye::websocket::Config;
use sockeye::websocket::handshake::{Lost, Origins, Rejection, Request, Response, ServerOptions};

use crate::io::{AsyncRead, AsyncWrite, Clock, Transport, sleep, timeout, until};
use crate::net::Listener;
use crate::socket::Head;
use crate::trace::{self, Trace};
use crate::{HandshakeError, MaybeTls, WebSocket};

/// Accepts a WebSocket over a stream, with everything else at its default.
///
/// `origins` says which web pages may connect. Any path is accepted, and no
/// subprotocol; see [`Server`] for more.
///
/// # Errors
///
/// As [`Server::accept`].
///
/// # Cancel safety
///
/// Dropping the future closes the stream.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    origins: Origins,
) -> Result<WebSocket<S>, AcceptError> {
    Server::new(origins).accept(stream).await
}

/// How to accept WebSockets. Cloning it is cheap.
///
/// ```
/// use std::time::Duration;
///
/// use sockeye_tokio::Server;
/// use sockeye_tokio::handshake::{Origins, Rejection, Response};
/// use sockeye_tokio::websocket::Config;
///
/// let mut config = Config::default();
/// config.max_message = 64 << 10;
/// let server = Server::new(Origins::List(vec!["https://example.com".into()]))
///     .protocols(["chat.v2", "chat.v1"])
///     .config(config)
///     .drain(Duration::from_secs(30))
///     .decide(|request| match request.header("authorization") {
///         Some(_) => Ok(Response::new()),
///         None => Err(Rejection::new(401).header("www-authenticate", "Bearer")),
///     });
/// ```
#[derive(Clone)]
#[must_use]
pub struct Server {
    pub(crate) options: Arc<ServerOptions>,
    pub(crate) config: Arc<Config>,
    pub(crate) protocols: Arc<[String]>,
    decide: Option<Arc<Decide>>,
    drain: Duration,
    #[cfg(feature = "rustls")]
    tls: Option<Arc<rustls::ServerConfig>>,
}

type Decide = dyn Fn(&Request) -> Result<Response, Rejection> + Send + Sync;

impl Server {
    /// A server for web pages from `origins`, and for clients that are no
    /// browsers.
    pub fn new(origins: Origins) -> Self {
        Self {
            options: Arc::new(ServerOptions::new(origins)),
            config: Arc::default(),
            protocols: Arc::default(),
            decide: None,
            drain: Duration::from_secs(10),
            #[cfg(feature = "rustls")]
            tls: None,
        }
    }

    /// Sets what is asked of a request, limits and origins included.
    pub fn options(mut self, options: impl Into<Arc<ServerOptions>>) -> Self {
        self.options = options.into();
        self
    }

    /// Sets the limits and deadlines of the connections.
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.config = config.into();
        self
    }

    /// Names the subprotocols that are spoken, the best first. The first that
    /// the client offers is taken; without one the connection has none.
    pub fn protocols<P: Into<String>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Decides about each valid request: by its path, its credentials.
    pub fn decide(
        mut self,
        decide: impl Fn(&Request) -> Result<Response, Rejection> + Send + Sync + 'static,
    ) -> Self {
        self.decide = Some(Arc::new(decide));
        self
    }

    /// How long [`serve`](Self::serve) waits for its connections at the end: 10 s.
    pub fn drain(mut self, deadline: Duration) -> Self {
        self.drain = deadline;
        self
    }

    /// Serves TLS. ALPN is set to `http/1.1` whatever the configuration says.
    #[cfg(feature = "rustls")]
    pub fn tls(mut self, config: impl Into<Arc<rustls::ServerConfig>>) -> Self {
        self.tls = Some(crate::tls::with_alpn(config.into()));
        self
    }

    /// Accepts a WebSocket over a stream: TCP, a Unix socket, TLS of your own, a
    /// pipe in memory. `tls` plays no part.
    ///
    /// To look at the request and wait for something before it is answered, use
    /// [`Incoming`] over a [`Transport::new`].
    ///
    /// # Errors
    ///
    /// A request that was refused has been answered when this returns.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the stream.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<WebSocket<S>, AcceptError> {
        let mut transport = Transport::new(stream);
        transport.trace = Trace::server(None);
        // Boxed, or the caller's task would hold room for a handshake as long as
        // it lives.
        Box::pin(self.shake_hands(transport, self.options.clone())).await
    }

    /// Accepts TLS over a stream, if `tls` was given, and then a
    /// WebSocket; [`Limits::timeout`](crate::handshake::Limits::timeout) is for
    /// both together. [`serve`](Self::serve) does this.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept); what TLS finds wrong is an
    /// [`Io`](HandshakeError::Io) error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the stream.
    pub async fn accept_tls<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<WebSocket<MaybeTls<S>>, AcceptError> {
        let place = Place {
            peer: None,
            trace: Trace::server(None),
            member: None,
        };
        Box::pin(self.open(stream, place)).await
    }

    async fn open<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        place: Place,
    ) -> Result<WebSocket<MaybeTls<S>>, AcceptError> {
        let begin = Clock::now();
        let limit = self.options.limits.timeout;
        let secured = timeout(limit, self.secure(stream)).await;
        let stream = secured.unwrap_or(Err(HandshakeError::Lost(Lost::Timeout)))?;
        let mut options = self.options.clone();
        if stream.is_tls() {
            let rest = limit.saturating_sub(begin.elapsed());
            Arc::make_mut(&mut options).limits.timeout = rest;
        }
        let mut transport = Transport::new(stream).with_peer(place.peer);
        transport.trace = place.trace;
        transport.member = place.member;
        self.shake_hands(transport, options).await
    }

    #[cfg(feature = "rustls")]
    async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<MaybeTls<S>, HandshakeError> {
        match &self.tls {
            Some(config) => crate::tls::accept(stream, config.clone()).await,
            None => Ok(MaybeTls::Plain(stream)),
        }
    }

    #[cfg(not(feature = "rustls"))]
    async fn secure<S>(&self, stream: S) -> Result<MaybeTls<S>, HandshakeError> {
        Ok(MaybeTls::Plain(stream))
    }

    async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut transport: Transport<S>,
        options: Arc<ServerOptions>,
    ) -> Result<WebSocket<S>, AcceptError> {
        let member = transport.member.take();
        let incoming = Incoming::receive(transport, options).await?;
        let leaving = member.as_ref().is_some_and(|it| it.group().is_dismissed());
        let decision = match leaving {
            true => Err(Rejection::new(503)),
            false => self.decide_about(incoming.request()),
        };
        match decision {
            Ok(response) => {
                let (mut websocket, head) = incoming.accept(&response, self.config.clone()).await?;
                let transport = websocket.get_mut();
                transport.member = member;
                transport.opened(Head::Server(head));
                Ok(websocket)
            }
            Err(rejection) => {
                incoming.reject(&rejection).await?;
                Err(AcceptError::Rejected)
            }
        }
    }

    pub(crate) fn decide_about(&self, request: &Request) -> Result<Response, Rejection> {
        let response = match &self.decide {
            Some(decide) => decide(request)?,
            None => Response::new(),
        };
        let ours = self.protocols.iter();
        let mut common = ours.filter(|ours| request.protocols().any(|theirs| theirs == *ours));
        Ok(match common.next() {
            Some(protocol) => response.protocol(protocol),
            None => response,
        })
    }

    /// Serves every connection that `listener` accepts, each in a task of its
    /// own, until `shutdown` is ready.
    ///
    /// A handler that panics ends its own connection and no other. Where
    /// accepting fails, as for want of file descriptors, it is tried again after
    /// 10 ms, and after up to 1 s if it goes on failing.
    ///
    /// On shutdown every open connection sends a Close with code 1001, which its
    /// handler sees as the end of the connection, and new requests are answered
    /// with 503. This returns when all handlers are done. Those that are not
    /// after the time given by [`drain`](Self::drain) are dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops accepting, and drops the connections.
    pub async fn serve<L, H, F>(
        &self,
        mut listener: L,
        shutdown: impl Future<Output = ()>,
        handler: H,
    ) -> Served
    where
        L: Listener,
        H: Fn(WebSocket<MaybeTls<L::Stream>>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let serving = Serving {
            server: self,
            handler,
            tasks: Group::new(),
            open: Group::new(),
        };
        serving.accept_until(&mut listener, shutdown).await;
        serving.open.dismiss();
        // Requests that come now are answered with 503, and not waited for.
        let late = Serving {
            server: self,
            handler: serving.handler.clone(),
            tasks: Group::new(),
            open: Group::new(),
        };
        late.open.dismiss();
        let drained = async {
            let all = async {
                serving.tasks.drained().await;
                serving.open.drained().await;
            };
            timeout(self.drain, all).await;
        };
        late.accept_until(&mut listener, drained).await;
        Served {
            dropped: serving.tasks.len(),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("options", &self.options)
            .field("config", &self.config)
            .field("protocols", &self.protocols)
            .finish_non_exhaustive()
    }
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// How many connections were dropped because they took too long to close.
    pub dropped: usize,
}

/// One call of [`Server::serve`].
struct Serving<'s, H> {
    server: &'s Server,
    handler: H,
    /// The tasks of the connections.
    tasks: Group,
    /// The connections.
    open: Group,
}

impl<H> Serving<'_, H> {
    async fn accept_until<L, F>(&self, listener: &mut L, end: impl Future<Output = ()>)
    where
        L: Listener,
        H: Fn(WebSocket<MaybeTls<L::Stream>>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        accept_until(listener, end, |stream, peer| {
            let place = Place {
                peer,
                trace: Trace::server(peer),
                member: Some(self.open.join()),
            };
            let (member, server) = (self.tasks.join(), self.server.clone());
            L::spawn(task(member, server, stream, place, self.handler.clone()));
        })
        .await;
    }
}

impl<H> Drop for Serving<'_, H> {
    /// Drops what is left of the connections.
    fn drop(&mut self) {
        self.tasks.dismiss();
    }
}

/// Hands every connection to `serve`, until `end` is ready.
pub(crate) async fn accept_until<L: Listener>(
    listener: &mut L,
    end: impl Future<Output = ()>,
    mut serve: impl FnMut(L::Stream, Option<SocketAddr>),
) {
    let mut end = pin!(end);
    let mut pause = PAUSE;
    loop {
        match until(end.as_mut(), listener.accept()).await {
            None => return,
            Some(Ok((stream, peer))) => {
                pause = PAUSE;
                serve(stream, peer);
            }
            Some(Err(error)) => {
                trace::accept_failed(&error);
                if until(end.as_mut(), sleep(pause)).await.is_none() {
                    return;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What a connection has of the server it belongs to.
struct Place {
    peer: Option<SocketAddr>,
    trace: Trace,
    member: Option<Member>,
}

/// Why a stream did not become a WebSocket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The request was turned down by [`Server::decide`], or by a shutdown.
    #[error("the request was turned down")]
    Rejected,
    /// The transport failed, or the request broke a rule.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

/// The whole life of a connection: until its handler is done or panics, or until
/// it is to be dropped.
///
/// Most connections are idle, so that the size of this future counts. What the
/// handshake needs is boxed, to be freed when it is done; and the rest, since what
/// is moved into an `async` block and out of it again has two places there.
fn task<S, H, F>(
    mut member: Member,
    server: Server,
    stream: S,
    place: Place,
    handler: H,
) -> impl Future<Output = ()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(WebSocket<MaybeTls<S>>) -> F,
    F: Future<Output = ()>,
{
    let trace = place.trace.clone();
    let refused = trace.clone();
    let opening = Box::pin(async move { server.open(stream, place).await });
    let work = async move {
        match opening.await {
            Ok(websocket) => handler(websocket).await,
            Err(error) => refused.refused(&error),
        }
    };
    let mut work = Box::pin(trace.instrument(work));
    poll_fn(move |cx| {
        if member.poll_dismissed(cx).is_ready() {
            return Poll::Ready(());
        }
        // What a panic leaves behind is dropped with `work`, and seen by nobody.
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            trace.panicked();
            Poll::Ready(())
        })
    })
}
