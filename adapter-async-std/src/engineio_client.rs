//! Connecting by Engine.IO.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sockeye::driver::engineio::client::{self, Options, Pending};
use sockeye::driver::hyper::{Dial, HttpClient};
use sockeye::engineio::{ClientConfig, Transport, Transports, Version};
use sockeye::websocket::Config;
use sockeye::websocket::handshake::{ClientRequest, Url};

use crate::engineio::{HyperStream, client_runtime};
use crate::io::Transport as Io;
use crate::net::TcpStream;
use crate::tcp::TcpOptions;
use crate::{ConnectError, MaybeTls, WebSocket};

/// A session with a server, whose HTTP is hyper's.
pub type Client = client::Client<HttpClient<Dialer>>;

/// Opens a session with the server at an `http://` or `https://` URL, with
/// everything at its default.
///
/// # Errors
///
/// As [`Connect::new`] and [`Connect::open`].
///
/// # Cancel safety
///
/// Dropping the future gives the session up.
pub async fn connect(url: &str) -> Result<Client, client::Error> {
    Connect::new(url)?.open().await
}

/// How to connect to a server.
///
/// ```no_run
/// use std::time::Duration;
///
/// use sockeye_async_std::engineio::{ClientConfig, Connect};
///
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = ClientConfig::default();
/// config.open_timeout = Duration::from_secs(5);
/// let client = Connect::new("https://example.com/engine.io/?token=1")?
///     .header("Authorization", "Bearer ...")?
///     .config(config)
///     .open()
///     .await?;
/// println!("{:?}", client.transport());
/// # Ok(())
/// # }
/// ```
///
/// The session begins by polling and goes over to a WebSocket, unless this is told
/// otherwise.
#[derive(Clone, Debug)]
#[must_use]
pub struct Connect {
    connect: crate::Connect,
    authority: String,
    target: String,
    fields: Vec<(String, Vec<u8>)>,
    options: Options,
}

impl Connect {
    /// Takes the URL of the server: `http` and `ws`, `https` and `wss` mean the
    /// same. Without a path it is `/engine.io/`. A query is sent along.
    ///
    /// # Errors
    ///
    /// If it is no such URL.
    pub fn new(url: &str) -> Result<Self, ConnectError> {
        let url = as_websocket(url);
        let parsed = Url::parse(&url)?;
        let target = match parsed.target.strip_prefix('/').unwrap_or_default() {
            query if query.is_empty() || query.starts_with('?') => format!("/engine.io/{query}"),
            _ => parsed.target.clone().into_owned(),
        };
        Ok(Self {
            connect: crate::Connect::new(&url)?,
            authority: parsed.authority.to_owned(),
            target,
            fields: Vec::new(),
            options: Options::default(),
        })
    }

    /// Adds a header field to every request.
    ///
    /// # Errors
    ///
    /// If it is malformed or belongs to HTTP itself.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, ConnectError> {
        let value = value.as_ref();
        self.connect = self.connect.header(name, value)?;
        self.fields.push((name.to_owned(), value.to_vec()));
        Ok(self)
    }

    /// Goes by these transports. With polling and WebSocket a session begins by the
    /// one and goes over to the other.
    pub fn transports(mut self, transports: Transports) -> Self {
        let begins = match transports.contains(Transport::Polling) {
            true => Transport::Polling,
            false => Transport::WebSocket,
        };
        self.options.transport = begins;
        self.options.session.upgrades = transports;
        self
    }

    /// Speaks this version: 4 unless it is said.
    pub fn version(mut self, version: Version) -> Self {
        self.options.version = version;
        self
    }

    /// Sets the limits and deadlines of the session. To what it may go over is for
    /// [`transports`](Self::transports) to say.
    pub fn config(mut self, mut config: ClientConfig) -> Self {
        config.upgrades = self.options.session.upgrades;
        self.options.session = config;
        self
    }

    /// The most bytes that the answer to a GET or a message of the WebSocket may
    /// have: 1 000 000.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.options.max_payload = bytes;
        self
    }

    /// The most packets that the answer to a GET may have: 16 384.
    pub fn max_packets(mut self, packets: usize) -> Self {
        self.options.max_packets = packets;
        self
    }

    /// How long a connection may take, from resolving the name to the end of TLS or
    /// of the handshake for a WebSocket: 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.connect = self.connect.timeout(timeout);
        self
    }

    /// Sets the options of TCP; see [`Connect::tcp`](crate::Connect::tcp).
    pub fn tcp(mut self, options: TcpOptions) -> Self {
        self.connect = self.connect.tcp(options);
        self
    }

    /// Connects to these addresses, and does not resolve the name in the URL; see
    /// [`Connect::addresses`](crate::Connect::addresses).
    pub fn addresses(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.connect = self.connect.addresses(addresses);
        self
    }

    /// Uses this configuration for `https://`; see
    /// [`Connect::tls`](crate::Connect::tls).
    #[cfg(feature = "rustls")]
    pub fn tls(mut self, config: impl Into<Arc<rustls::ClientConfig>>) -> Self {
        self.connect = self.connect.tls(config);
        self
    }

    /// Opens the session.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or does not open one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the session up.
    pub async fn open(self) -> Result<Client, client::Error> {
        let dialer = Dialer(Arc::new(self.connect));
        let http = HttpClient::new(dialer, &self.authority, self.fields, client_runtime());
        let http = http.map_err(ConnectError::from)?;
        Client::open(http, &self.target, self.options, client_runtime()).await
    }
}

/// Connects for HTTP and for WebSockets in the same way.
#[derive(Clone, Debug)]
pub struct Dialer(Arc<crate::Connect>);

impl Dial for Dialer {
    type Stream = HyperStream<MaybeTls<TcpStream>>;
    type Io = Io<MaybeTls<TcpStream>>;

    fn dial(&self) -> Pending<Self::Stream> {
        let connect = crate::Connect::clone(&self.0);
        Box::pin(async { Ok(HyperStream::new(connect.stream().await?)) })
    }

    fn websocket(
        &self,
        request: ClientRequest,
        config: Config,
    ) -> Pending<WebSocket<MaybeTls<TcpStream>>> {
        let connect = crate::Connect::clone(&self.0);
        let connect = connect.request(request).config(config);
        Box::pin(async { Ok(connect.open().await?) })
    }
}

impl From<ConnectError> for client::Error {
    fn from(error: ConnectError) -> Self {
        Self::Failed(error.into())
    }
}

/// The URL with the scheme that a WebSocket would have.
fn as_websocket(url: &str) -> Cow<'_, str> {
    match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
            format!("ws://{rest}").into()
        }
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => {
            format!("wss://{rest}").into()
        }
        _ => url.into(),
    }
}
