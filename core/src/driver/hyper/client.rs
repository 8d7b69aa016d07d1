//! HTTP for a client of Engine.IO.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ::http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use ::http::{HeaderName, HeaderValue, Method, Response};
use ::hyper::body::{Body as _, Frame, Incoming};
use ::hyper::client::conn::{TrySendError, http1};
use ::hyper::rt::{Read, Write};

use super::Body;
use crate::Instant;
use crate::driver::engineio::client::{Answer, BoxError, Http, Pending, Request};
use crate::driver::runtime::AnyRuntime;
use crate::driver::{Io, Runtime, WebSocket};
use crate::websocket;
use crate::websocket::handshake::{ClientRequest, RequestError};

/// How to reach a server.
pub trait Dial: Send + Sync + 'static {
    /// A connection on which HTTP is spoken.
    type Stream: Read + Write + Unpin + Send + 'static;
    /// The transport of a WebSocket.
    type Io: Io<Error: Into<BoxError>> + Send + 'static;

    /// Connects.
    fn dial(&self) -> Pending<Self::Stream>;

    /// Connects, and opens a WebSocket with this request.
    fn websocket(
        &self,
        request: ClientRequest,
        config: websocket::Config,
    ) -> Pending<WebSocket<Self::Io>>;
}

/// HTTP by hyper, for a [`Client`](crate::driver::engineio::client::Client).
///
/// Connections are kept for the next request: two at the most, as there are no more
/// requests at a time. They belong to the futures of the client, so that there are
/// no tasks. Cookies that the server sets are sent back, also with the request for a
/// WebSocket: load balancers tell their servers apart by them. No compression is
/// asked for. A body has 45 s to arrive.
pub struct HttpClient<D: Dial>(Arc<Shared<D>>);

struct Shared<D: Dial> {
    dial: D,
    runtime: AnyRuntime,
    authority: String,
    fields: Vec<(String, Vec<u8>)>,
    /// What `Cookie` says, pair by pair.
    cookies: Mutex<Vec<Vec<u8>>>,
    idle: Mutex<Vec<Connection<D::Stream>>>,
}

/// A connection, and since when it has been idle.
struct Connection<S: Read + Write> {
    requests: http1::SendRequest<Body>,
    /// None once it is closed.
    driver: Option<http1::Connection<S, Body>>,
    idle_since: Instant,
}

impl<D: Dial> HttpClient<D> {
    /// Requests to the server with this authority, which is what `Host` says. The
    /// fields are added to each of them, that for a WebSocket included.
    ///
    /// # Errors
    ///
    /// As [`ClientRequest::new`] and [`ClientRequest::header`].
    pub fn new(
        dial: D,
        authority: &str,
        fields: Vec<(String, Vec<u8>)>,
        runtime: impl Runtime,
    ) -> Result<Self, RequestError> {
        let client = Self(Arc::new(Shared {
            dial,
            runtime: AnyRuntime::new(runtime),
            authority: authority.into(),
            fields,
            cookies: Mutex::default(),
            idle: Mutex::default(),
        }));
        client.0.upgrade("/").map(|_| client)
    }
}

impl<D: Dial> Http for HttpClient<D> {
    type Io = D::Io;

    fn request(&self, request: Request) -> Pending<Answer> {
        Box::pin(self.0.clone().exchange(request))
    }

    fn websocket(&self, target: &str, config: websocket::Config) -> Pending<WebSocket<D::Io>> {
        match self.0.upgrade(target) {
            Ok(request) => self.0.dial.websocket(request, config),
            Err(error) => Box::pin(async move { Err(error.into()) }),
        }
    }
}

impl<D: Dial> Shared<D> {
    async fn exchange(self: Arc<Self>, request: Request) -> Result<Answer, BoxError> {
        let limit = request.limit;
        let mut request = self.request(request)?;
        loop {
            let idle = self.idle().await;
            let is_new = idle.is_none();
            let mut connection = match idle {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            match connection.send(request).await {
                Ok(response) => return self.receive(connection, response, limit).await,
                // It was closed meanwhile, and nothing of the request was sent.
                Err(mut error) => match error.take_message().filter(|_| !is_new) {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
    }

    /// A connection that was kept, if it still stands.
    async fn idle(&self) -> Option<Connection<D::Stream>> {
        loop {
            let mut connection = lock(&self.idle).pop()?;
            let is_fresh = self.runtime.now() < connection.idle_since.after(IDLE);
            if is_fresh && connection.is_ready().await {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<Connection<D::Stream>, BoxError> {
        let stream = self.dial.dial().await?;
        let (requests, driver) = http1::handshake(stream).await?;
        let mut connection = Connection {
            requests,
            driver: Some(driver),
            idle_since: self.runtime.now(),
        };
        match connection.is_ready().await {
            true => Ok(connection),
            false => Err("the server closed the connection".into()),
        }
    }

    async fn receive(
        &self,
        mut connection: Connection<D::Stream>,
        response: Response<Incoming>,
        limit: usize,
    ) -> Result<Answer, BoxError> {
        let (head, body) = response.into_parts();
        let fields = head.headers.iter();
        let fields = fields.map(|(name, value)| (name.as_str().into(), value.as_bytes().into()));
        let mut answer = Answer {
            status: head.status.as_u16(),
            fields: fields.collect(),
            body: Vec::new(),
        };
        self.keep_cookies(head.headers.get_all(SET_COOKIE));
        let mut body = pin!(body);
        let until = self.runtime.now().after(BODY);
        let mut late = self.runtime.sleep_until(until);
        while answer.body.len() <= limit {
            let frame = poll_fn(|cx| match connection.poll_frame(cx, body.as_mut()) {
                Poll::Pending => late.as_mut().poll(cx).map(|()| Err(TOO_SLOW)),
                frame => frame.map(Ok),
            });
            match frame.await? {
                None => {
                    connection.idle_since = self.runtime.now();
                    lock(&self.idle).push(connection);
                    break;
                }
                Some(frame) => answer.body.extend(frame?.into_data().unwrap_or_default()),
            }
        }
        Ok(answer)
    }

    fn request(&self, request: Request) -> Result<::http::Request<Body>, BoxError> {
        let (method, content) = match request.content {
            Some(content) => (Method::POST, Some(content)),
            None => (Method::GET, None),
        };
        let mut http = ::http::Request::new(Body::default());
        *http.method_mut() = method;
        *http.uri_mut() = request.target.try_into()?;
        let fields = http.headers_mut();
        for (name, value) in &self.fields {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            fields.append(name, HeaderValue::from_bytes(value)?);
        }
        if let Some(cookies) = self.cookies() {
            fields.insert(COOKIE, HeaderValue::from_bytes(&cookies)?);
        }
        fields.insert(HOST, HeaderValue::from_str(&self.authority)?);
        if let Some(content) = content {
            let media_type = HeaderValue::from_static(content.media_type);
            fields.insert(CONTENT_TYPE, media_type);
            *http.body_mut() = Body(content.body.into());
        }
        Ok(http)
    }

    /// The request for a WebSocket.
    fn upgrade(&self, target: &str) -> Result<ClientRequest, RequestError> {
        let mut request = ClientRequest::new(&self.authority, target)?;
        let cookies = self.cookies();
        let is_replaced = |name: &str| cookies.is_some() && COOKIE == *name;
        for (name, value) in self.fields.iter().filter(|(name, _)| !is_replaced(name)) {
            request = request.header(name, value)?;
        }
        match cookies {
            Some(cookies) => request.header("Cookie", cookies),
            None => Ok(request),
        }
    }

    /// Those of the application and those of the server, if the server has set any.
    ///
    /// RFC 6265 section 5.4: "the user agent MUST NOT attach more than one Cookie
    /// header field."
    fn cookies(&self) -> Option<Vec<u8>> {
        let cookies = lock(&self.cookies);
        if cookies.is_empty() {
            return None;
        }
        let own = self.fields.iter().filter(|(name, _)| COOKIE == **name);
        let own = own.map(|(_, value)| value);
        Some(
            own.chain(&*cookies)
                .cloned()
                .collect::<Vec<_>>()
                .join(&b"; "[..]),
        )
    }

    fn keep_cookies<'v>(&self, values: impl IntoIterator<Item = &'v HeaderValue>) {
        let mut cookies = lock(&self.cookies);
        for value in values {
            let pair = value.as_bytes().split(|byte| *byte == b';').next();
            let pair = pair.unwrap_or_default().trim_ascii();
            let name = pair.split_inclusive(|byte| *byte == b'=').next();
            let name = name.unwrap_or_default();
            // RFC 6265 section 5.2: what has no "=", or nothing before it, is ignored.
            if !name.ends_with(b"=") || name.len() == 1 {
                continue;
            }
            cookies.retain(|known| !known.starts_with(name));
            if cookies.len() < MAX_COOKIES {
                cookies.push(pair.into());
            }
        }
    }
}

impl<S: Read + Write + Unpin + Send + 'static> Connection<S> {
    /// Whether it takes a request. It does not once the server has closed it.
    async fn is_ready(&mut self) -> bool {
        poll_fn(|cx| {
            self.drive(cx);
            match self.driver {
                None => Poll::Ready(false),
                Some(_) => self.requests.poll_ready(cx).map(|ready| ready.is_ok()),
            }
        })
        .await
    }

    async fn send(&mut self, request: ::http::Request<Body>) -> Result<Response<Incoming>, Unsent> {
        let mut response = pin!(self.requests.try_send_request(request));
        poll_fn(|cx| {
            self.drive(cx);
            response.as_mut().poll(cx)
        })
        .await
    }

    /// The next part of a body.
    #[allow(clippy::type_complexity, reason = "what a body gives")]
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        body: Pin<&mut Incoming>,
    ) -> Poll<Option<Result<Frame<Bytes>, ::hyper::Error>>> {
        self.drive(cx);
        body.poll_frame(cx)
    }

    /// Reads and writes. What it fails with comes out where something was awaited.
    fn drive(&mut self, cx: &mut Context<'_>) {
        let driver = self.driver.as_mut();
        if driver.is_some_and(|driver| Pin::new(driver).poll(cx).is_ready()) {
            self.driver = None;
        }
    }
}

/// A failure, and the request if nothing of it was sent.
type Unsent = TrySendError<::http::Request<Body>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D: Dial> fmt::Debug for HttpClient<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("authority", &self.0.authority)
            .finish_non_exhaustive()
    }
}

/// How long a connection is kept. Many servers close idle ones after five seconds,
/// and a request that crosses that is lost.
const IDLE: Duration = Duration::from_secs(4);

/// How long a body may take.
const BODY: Duration = Duration::from_secs(45);
const TOO_SLOW: &str = "body takes too long";

/// How many cookies are kept.
const MAX_COOKIES: usize = 64;
