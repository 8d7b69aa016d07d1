//! Connecting.

#[cfg(not(feature = "rustls"))]
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use sockeye::driver;
use sockeye::websocket::Config;
use sockeye::websocket::handshake::{ClientRequest, Limits, RequestError, Url, UrlError};

use crate::io::{AsyncRead, AsyncWrite, Transport, timeout};
use crate::keys::{mask_keys, nonce};
use crate::net::{self, TcpStream};
use crate::socket::Head;
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
/// Redirects are not followed: they are an error that holds the response.
#[derive(Clone, Debug)]
#[must_use]
pub struct Connect {
    host: String,
    port: u16,
    secure: bool,
    authority: String,
    request: ClientRequest,
    config: Arc<Config>,
    timeout: Duration,
    nodelay: bool,
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
            config: Arc::default(),
            timeout: Duration::from_secs(30),
            nodelay: true,
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

    /// Limits the response.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.request = self.request.limits(limits);
        self
    }

    /// Sets the limits and deadlines of the connection.
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.config = config.into();
        self
    }

    /// How long everything together may take, from resolving the name to the
    /// response: 30 s. The handshake itself has [`Limits::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether small messages are sent at once (`TCP_NODELAY`): yes.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Uses this configuration for `wss://`. ALPN is set to `http/1.1` and SNI
    /// is sent, whatever it says about them.
    #[cfg(feature = "rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    pub fn tls(mut self, config: impl Into<Arc<rustls::ClientConfig>>) -> Self {
        self.tls = Some(config.into());
        self
    }

    /// Connects over TCP, and TLS where the URL says so.
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
            let tls = self.tls_config()?;
            let stream = net::dial(&self.host, self.port, self.nodelay).await?;
            let peer = net::peer_addr(&stream);
            let stream = match tls {
                None => MaybeTls::Plain(stream),
                #[cfg(not(feature = "rustls"))]
                Some(never) => match never {},
                #[cfg(feature = "rustls")]
                Some(config) => crate::tls::connect(stream, &self.host, config).await?,
            };
            self.shake_hands(Transport::new(stream).with_peer(peer))
                .await
        };
        timeout(limit, work)
            .await
            .unwrap_or(Err(ConnectError::Timeout))
    }

    /// Shakes hands over a stream that is connected already: a Unix socket, a
    /// proxy's tunnel, TLS of your own, a pipe in memory. It is taken as it is,
    /// also with a `wss://` URL.
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
        timeout(limit, work)
            .await
            .unwrap_or(Err(ConnectError::Timeout))
    }

    async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        mut transport: Transport<S>,
    ) -> Result<WebSocket<S>, ConnectError> {
        let nonce = nonce().ok_or(ConnectError::Random)?;
        transport.trace = Trace::client(&self.authority);
        let connected =
            driver::connect(transport, self.request, nonce, mask_keys(), self.config).await;
        let (mut websocket, response) = connected?;
        websocket.get_mut().opened(Head::Client(response));
        Ok(websocket)
    }

    /// The configuration of TLS, for `wss://`.
    #[cfg(feature = "rustls")]
    fn tls_config(&self) -> Result<Option<Arc<rustls::ClientConfig>>, ConnectError> {
        match (self.secure, &self.tls) {
            (false, _) => Ok(None),
            (true, Some(config)) => Ok(Some(config.clone())),
            (true, None) => crate::tls::default_config()
                .map(Some)
                .ok_or(ConnectError::NoTls),
        }
    }

    #[cfg(not(feature = "rustls"))]
    fn tls_config(&self) -> Result<Option<Infallible>, ConnectError> {
        match self.secure {
            true => Err(ConnectError::NoTls),
            false => Ok(None),
        }
    }
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
