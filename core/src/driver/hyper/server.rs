//! Engine.IO as a service for hyper, and for what is built on tower.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::convert::Infallible;
use core::fmt;
use core::future::{Future, poll_fn, ready};
use core::net::SocketAddr;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use ::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use ::http::{HeaderName, HeaderValue, Request, StatusCode};
use ::hyper::body::{Body as HttpBody, Buf, Frame, SizeHint};
use ::hyper::upgrade::OnUpgrade;

use super::Transport;
use crate::driver::engineio::{Exchange, Handler, Head, Post, Server, Upgrade};
use crate::engineio::polling::Response;

/// A server as a service of hyper and of tower.
///
/// It answers whatever path it is asked for, so that a router decides; see
/// [`at_path`](Self::at_path). In axum:
///
/// ```text
/// let app = Router::new().route_service("/engine.io/", Service::new(server));
/// ```
///
/// hyper has to drop the service's future when the client goes away, as it does
/// unless `half_close` is on: this is how a GET that was given up is noticed.
pub struct Service<H: Handler> {
    server: Server<H>,
    is_at_path: bool,
    peer: Option<SocketAddr>,
}

impl<H: Handler> Service<H> {
    /// The service of a server.
    pub fn new(server: Server<H>) -> Self {
        Self {
            server,
            is_at_path: false,
            peer: None,
        }
    }

    /// Says 404 to requests for another path than
    /// [`Options::path`](crate::engineio::polling::Options::path).
    #[must_use]
    pub fn at_path(mut self) -> Self {
        self.is_at_path = true;
        self
    }

    /// Says who asks: for a service that belongs to one connection. Otherwise an
    /// extension of the request says so that is a [`SocketAddr`], if there is one.
    #[must_use]
    pub fn peer(mut self, peer: Option<SocketAddr>) -> Self {
        self.peer = peer;
        self
    }
}

impl<H: Handler> Clone for Service<H> {
    fn clone(&self) -> Self {
        Self {
            server: self.server.clone(),
            is_at_path: self.is_at_path,
            peer: self.peer,
        }
    }
}

impl<H: Handler> fmt::Debug for Service<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// An answer that is on its way.
pub type Answering =
    Pin<Box<dyn Future<Output = Result<::http::Response<Body>, Infallible>> + Send>>;

impl<H, B> ::hyper::service::Service<Request<B>> for Service<H>
where
    H: Handler,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Send,
{
    type Response = ::http::Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<B>) -> Answering {
        self.answer(request)
    }
}

impl<H, B> tower_service::Service<Request<B>> for Service<H>
where
    H: Handler,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Send,
{
    type Response = ::http::Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        self.answer(request)
    }
}

/// A body that is there as a whole.
#[derive(Debug, Default)]
pub struct Body(pub(super) Bytes);

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = core::mem::take(&mut self.0);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

impl<H: Handler> Service<H> {
    /// What comes of a request is known at once: a client that is gone before the
    /// answer is polled has given up a request, and not one that nobody saw.
    fn answer<B>(&self, mut request: Request<B>) -> Answering
    where
        B: HttpBody + Send + 'static,
        B::Data: Send,
        B::Error: Send,
    {
        let server = &self.server;
        if self.is_at_path && !server.options().polling.serves(request.uri().path()) {
            return Box::pin(ready(Ok(not_found())));
        }
        let on_upgrade = request.extensions_mut().remove();
        let said = || request.extensions().get().copied();
        let peer = self.peer.or_else(said);
        let exchange = server.request(&Fields::of(&request).head(&request), peer);
        match exchange {
            Exchange::Answer(response) => Box::pin(ready(Ok(into_http(response)))),
            Exchange::Wait(parked) => Box::pin(async { Ok(into_http(parked.await)) }),
            Exchange::Body(post) => {
                let receiving = receive(post, request.into_body());
                Box::pin(async { Ok(into_http(receiving.await)) })
            }
            Exchange::Upgrade(upgrade) => {
                let response = switch(server, upgrade, on_upgrade);
                Box::pin(ready(Ok(into_http(response))))
            }
        }
    }
}

/// The header fields of a request, one by one.
struct Fields<'r>(Vec<(&'r str, &'r [u8])>);

impl<'r> Fields<'r> {
    fn of<B>(request: &'r Request<B>) -> Self {
        let headers = request.headers();
        let mut fields = Vec::with_capacity(headers.len() + 1);
        fields.extend(
            headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes())),
        );
        // Over HTTP/2, and in absolute-form, the target has it.
        if let Some(authority) = request.uri().authority() {
            fields.retain(|(name, _)| *name != "host");
            fields.push(("host", authority.as_str().as_bytes()));
        }
        Self(fields)
    }

    fn head<B>(&self, request: &'r Request<B>) -> Head<'_> {
        Head {
            method: request.method().as_str(),
            version: request.version().into(),
            path: request.uri().path(),
            query: request.uri().query().unwrap_or_default(),
            fields: &self.0,
        }
    }
}

/// Answers with 101, and carries packets once that is sent.
fn switch<H: Handler>(
    server: &Server<H>,
    upgrade: Upgrade<H>,
    on_upgrade: Option<OnUpgrade>,
) -> Response {
    let Some(on_upgrade) = on_upgrade else {
        // What is below hyper's service cannot switch protocols.
        return upgrade.refuse();
    };
    let response = upgrade.response().clone();
    let runtime = server.runtime().clone();
    server.runtime().spawn(async move {
        // Otherwise the connection ended before the answer was sent.
        if let Ok(upgraded) = on_upgrade.await {
            let transport = Transport::with(upgraded, runtime);
            upgrade.run(transport, Vec::new()).await;
        }
    });
    response
}

/// What the `http` crate does not take was never made. Values are not copied.
fn into_http(response: Response) -> ::http::Response<Body> {
    let mut answer = ::http::Response::new(Body(response.body.into()));
    *answer.status_mut() = StatusCode::from_u16(response.status).unwrap_or_default();
    for (name, value) in response.fields {
        if name == "Content-Length" {
            // hyper counts the content itself.
            continue;
        }
        let value = match value {
            Cow::Borrowed(value) => Bytes::from_static(value),
            Cow::Owned(value) => value.into(),
        };
        let name = match name {
            // Those of nearly every answer.
            "Content-Type" => Ok(CONTENT_TYPE),
            "Cache-Control" => Ok(CACHE_CONTROL),
            name => HeaderName::from_bytes(name.as_bytes()),
        };
        let value = HeaderValue::from_maybe_shared(value);
        if let (Ok(name), Ok(value)) = (name, value) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

fn not_found() -> ::http::Response<Body> {
    let mut answer = ::http::Response::new(Body::default());
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

/// Receives the content of a POST, as long as it is wanted.
async fn receive<H: Handler, B: HttpBody>(mut post: Post<H>, body: B) -> Response {
    let mut body = pin!(body);
    loop {
        let frame = poll_fn(|cx| match post.poll_over(cx) {
            Poll::Ready(response) => Poll::Ready(Err(response)),
            Poll::Pending => body.as_mut().poll_frame(cx).map(Ok),
        });
        let received = match frame.await {
            Ok(Some(Ok(frame))) => frame
                .into_data()
                .map_or(Ok(()), |data| push(&mut post, data)),
            Ok(None) => return post.finish().await,
            Ok(Some(Err(_))) => return post.abort(),
            Err(response) => Err(response),
        };
        if let Err(response) = received {
            return response;
        }
    }
}

fn push<H: Handler>(post: &mut Post<H>, mut data: impl Buf) -> Result<(), Response> {
    while data.has_remaining() {
        let chunk = data.chunk();
        post.push(chunk)?;
        data.advance(chunk.len());
    }
    Ok(())
}
