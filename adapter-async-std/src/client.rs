//! Connecting.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sockeye::driver;
use sockeye::websocket::Config;
use sockeye::websocket::handshake::{ClientRequest, Limits, RequestError, Url, UrlError};

use crate::io::{AsyncRead, AsyncWrite, Clock, Transport, timeout};
use crate::keys::{mask_keys, nonce};
use crate::net::{self, TcpStream};
use crate::socket::Head;
use crate::tcp::{self, TcpOptions};
use crate::trace::Trace;
use crate::{HandshakeError, MaybeTls, WebSocket};

/// Connects to a `ws://` or `wss://` URL, with everything at its default.
///
/// # Errors
///
/// As [`Connect::open`].
///
/// # Cancel safety
///
/// Dropping the future closes the transport.
pub async fn connect(url: &str) -> Result<WebSocket<MaybeTls<TcpStream>>, ConnectError> {
    Connect::new(url)?.open().await
}

/// How to connect to a server.
///
/// ```no_run
/// use std::time::Duration;
///
/// use sockeye_async_std::{Connect, websocket::Config};
///
/// # async fn connect() -> Result<(), sockeye_async_std::ConnectError> {
/// let mut config = Config::default();
/// config.max_message = 16 << 20;
/// let websocket = Connect::new("wss://example.com/chat?room=1")?
///     .header("Authorization", "Bearer ...")?
///     .protocol("chat.v2")?
///     .protocol("chat.v1")?
///     .timeout(Duration::from_secs(5))
///     .config(config)
///     .open()
///     .await?;
/// println!("{:?}", websocket.get_ref().protocol());
/// # Ok(())
/// # }
/// ```
///
/// Redirects are not followed: they are an error that holds the response.
#[derive(Clone, Debug)]
#[must_use]
pub struct Connect {
    host: String,
    port: u16,
    secure: bool,
    authority: String,
    request: ClientRequest,
    limits: Limits,
    config: Arc<Config>,
    timeout: Duration,
    tcp: TcpOptions,
    addresses: Option<Vec<SocketAddr>>,
    #[cfg(feature = "rustls")]
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Connect {
    /// Takes the URL of the server.
    ///
    /// # Errors
    ///
    /// If it is not a WebSocket URL.
    pub fn new(url: &str) -> Result<Self, ConnectError> {
        let url = Url::parse(url)?;
        Ok(Self {
            host: url.host.to_owned(),
            port: url.port,
            secure: url.secure,
            authority: url.authority.to_owned(),
            request: ClientRequest::new(url.authority, &url.target)?,
            limits: Limits::default(),
            config: Arc::default(),
            timeout: Duration::from_secs(30),
            tcp: TcpOptions::default(),
            addresses: None,
            #[cfg(feature = "rustls")]
            tls: None,
        })
    }

    /// Adds a header field to the request.
    ///
    /// # Errors
    ///
    /// If it is malformed or belongs to the handshake.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, ConnectError> {
        self.request = self.request.header(name, value)?;
        Ok(self)
    }

    /// Offers a subprotocol; those offered first are liked best.
    ///
    /// # Errors
    ///
    /// If it is no token, or offered already.
    pub fn protocol(mut self, name: &str) -> Result<Self, ConnectError> {
        self.request = self.request.protocol(name)?;
        Ok(self)
    }

    /// Sets `Origin`, which only browsers have to send.
    ///
    /// # Errors
    ///
    /// If it cannot be the value of a header field.
    pub fn origin(mut self, origin: &str) -> Result<Self, ConnectError> {
        self.request = self.request.origin(origin)?;
        Ok(self)
    }

    /// Limits the response, and the time for TLS and the handshake together.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the limits and deadlines of the connection.
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.config = config.into();
        self
    }

    /// How long everything together may take, from resolving the name to the
    /// response: 30 s. Of these, TLS and the handshake have [`Limits::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the options of TCP: `TCP_NODELAY` and nothing else. For what is not
    /// among them, pass a socket of your own to [`over_tls`](Self::over_tls).
    pub fn tcp(mut self, options: TcpOptions) -> Self {
        self.tcp = options;
        self
    }

    /// Connects to one of these addresses, and does not resolve the name in the
    /// URL: for a resolver of your own, or a server that no resolver knows. The
    /// name is still the one in `Host`, and in the certificate.
    ///
    /// ```
    /// use sockeye_async_std::Connect;
    ///
    /// let connect = Connect::new("wss://example.com/")?;
    /// let connect = connect.addresses(["192.0.2.1:443".parse().unwrap()]);
    /// # Ok::<_, sockeye_async_std::ConnectError>(())
    /// ```
    pub fn addresses(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.addresses = Some(addresses.into_iter().collect());
        self
    }

    /// Uses this configuration for `wss://`. ALPN is set to `http/1.1` and SNI
    /// is sent, whatever it says about them.
    #[cfg(feature = "rustls")]
    pub fn tls(mut self, config: impl Into<Arc<rustls::ClientConfig>>) -> Self {
        self.tls = Some(config.into());
        self
    }

    /// Connects over TCP, and TLS where the URL says so.
    ///
    /// Of several addresses, those of IPv6 and IPv4 are tried in turn. The next
    /// attempt begins when one has failed, or when none has succeeded for 250 ms,
    /// beside those that began before; the first to succeed counts (RFC 8305).
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the transport.
    pub async fn open(self) -> Result<WebSocket<MaybeTls<TcpStream>>, ConnectError> {
        let limit = self.timeout;
        let work = async {
            let stream = self.dial().await?;
            let peer = net::peer_addr(&stream);
            self.secure_over(stream, peer).await
        };
        within(limit, Box::pin(work)).await
    }

    /// As [`open`](Self::open), over a stream that reaches the server already: a
    /// socket with options of your own, or the tunnel of a proxy.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the stream.
    pub async fn over_tls<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        stream: S,
    ) -> Result<WebSocket<MaybeTls<S>>, ConnectError> {
        within(self.timeout, Box::pin(self.secure_over(stream, None))).await
    }

    /// Shakes hands over a stream as it is, also with a `wss://` URL: a Unix
    /// socket, TLS of your own, a pipe in memory.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the stream.
    pub async fn over<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        stream: S,
    ) -> Result<WebSocket<S>, ConnectError> {
        let limit = self.timeout;
        let work = self.shake_hands(Transport::new(stream));
        within(limit, Box::pin(work)).await
    }

    async fn secure_over<S: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        stream: S,
        peer: Option<SocketAddr>,
    ) -> Result<WebSocket<MaybeTls<S>>, ConnectError> {
        let begin = Clock::now();
        let stream = self.secure(stream).await?;
        self.limits.timeout = self.limits.timeout.saturating_sub(begin.elapsed());
        let transport = Transport::new(stream).with_peer(peer);
        self.shake_hands(transport).await
    }

    async fn dial(&self) -> Result<TcpStream, ConnectError> {
        if self.secure {
            // Better known before anything is sent.
            self.tls_config()?;
        }
        let addresses = match &self.addresses {
            Some(addresses) => addresses.clone(),
            None => net::resolve(&self.host, self.port).await?,
        };
        Ok(tcp::dial(addresses, &self.tcp).await?)
    }

    async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<MaybeTls<S>, ConnectError> {
        match self.secure {
            true => within(self.limits.timeout, Box::pin(self.add_tls(stream))).await,
            false => Ok(MaybeTls::Plain(stream)),
        }
    }

    async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        mut transport: Transport<S>,
    ) -> Result<WebSocket<S>, ConnectError> {
        let nonce = nonce().ok_or(ConnectError::Random)?;
        transport.trace = Trace::client(&self.authority);
        let request = self.request.limits(self.limits);
        let connected = driver::connect(transport, request, nonce, mask_keys(), self.config).await;
        let (mut websocket, response) = connected?;
        websocket.get_mut().opened(Head::Client(response));
        Ok(websocket)
    }
}

/// For HTTP with the same server.
#[cfg(feature = "engineio")]
impl Connect {
    /// A connection without a handshake but that of TLS.
    pub(crate) async fn stream(self) -> Result<MaybeTls<TcpStream>, ConnectError> {
        let work = async { self.secure(self.dial().await?).await };
        within(self.timeout, Box::pin(work)).await
    }

    /// Asks for something else.
    pub(crate) fn request(mut self, request: ClientRequest) -> Self {
        self.request = request;
        self
    }
}

/// Where the URL says `wss`.
#[cfg(feature = "rustls")]
impl Connect {
    fn tls_config(&self) -> Result<Arc<rustls::ClientConfig>, ConnectError> {
        let config = self.tls.clone().or_else(crate::tls::default_config);
        config.ok_or(ConnectError::NoTls)
    }

    async fn add_tls<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<MaybeTls<S>, ConnectError> {
        crate::tls::connect(stream, &self.host, self.tls_config()?).await
    }
}

/// Where the URL says `wss`, in vain.
#[cfg(not(feature = "rustls"))]
impl Connect {
    fn tls_config(&self) -> Result<(), ConnectError> {
        Err(ConnectError::NoTls)
    }

    async fn add_tls<S>(&self, _: S) -> Result<MaybeTls<S>, ConnectError> {
        Err(ConnectError::NoTls)
    }
}

/// The work is boxed, or the caller's task would hold room for a handshake as long
/// as it lives.
async fn within<T>(
    limit: Duration,
    work: Pin<Box<impl Future<Output = Result<T, ConnectError>>>>,
) -> Result<T, ConnectError> {
    let done = timeout(limit, work).await;
    done.unwrap_or(Err(ConnectError::Timeout))
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not one of WebSocket.
    #[error("url: {0}")]
    Url(#[from] UrlError),
    /// The request cannot be sent as it is asked for.
    #[error("request: {0}")]
    Request(#[from] RequestError),
    /// Resolving the name, TCP or TLS failed.
    #[error("connect: {0}")]
    Io(#[from] io::Error),
    /// It took too long.
    #[error("connecting took too long")]
    Timeout,
    /// The URL is `wss://`, and there is no configuration of TLS: enable the
    /// feature `rustls` and give one, or enable a provider and `webpki-roots`.
    #[error("no configuration of TLS")]
    NoTls,
    /// The host in the URL is no name that a certificate can have.
    #[error("the host cannot be named in TLS")]
    ServerName,
    /// The operating system has no randomness.
    #[error("no randomness")]
    Random,
    /// The server refused, or broke a rule.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}
