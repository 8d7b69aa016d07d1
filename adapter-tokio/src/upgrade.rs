//! WebSockets out of hyper's upgrades.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use sockeye::driver::Io;
use sockeye::websocket::handshake::{self, Accepted, Refusal, ResponseError};
use sockeye::websocket::{Config, Connection, Role};

use crate::io::Transport;
use crate::socket::Head;
use crate::trace::Trace;
use crate::{Server, WebSocket};

/// What hyper gives for a connection that has been upgraded. Bytes that were
/// read with the request are in it.
pub type UpgradedStream = TokioIo<Upgraded>;

/// Judges an upgrade request that hyper has read, and answers it.
///
/// Returns the response, to be completed with a body of your choice, and a
/// future to be spawned: it gives the WebSocket once hyper has sent the response.
/// Of `server` everything counts but `tls`, `drain` and
/// [`Limits::timeout`](crate::handshake::Limits::timeout), which are hyper's
/// affair.
///
/// ```
/// # #[derive(Debug)] struct Body;
/// use std::net::SocketAddr;
///
/// use sockeye_tokio::{Server, upgrade};
///
/// async fn service(
///     mut request: http::Request<Body>,
///     server: Server,
///     peer: SocketAddr,
/// ) -> http::Response<String> {
///     let (response, websocket) = match upgrade(&mut request, &server) {
///         Ok(upgraded) => upgraded,
///         Err(error) => return error.into_http(),
///     };
///     tokio::spawn(async move {
///         let Ok(mut websocket) = websocket.await else { return };
///         // hyper does not know it: who has accepted the connection does.
///         websocket.get_mut().set_peer_addr(peer);
///         let _ = websocket.send("welcome").await;
///     });
///     response.map(|()| String::new())
/// }
/// ```
///
/// hyper sends no `100 Continue` to a request that expects one and has no content,
/// as no upgrade has, before the 101. RFC 9110 section 10.1.1 leaves that to it.
///
/// # Errors
///
/// See [`UpgradeError`]; answer with [`UpgradeError::into_http`]. A request that
/// breaks a rule may still be upgraded to another protocol. Where the same path
/// serves pages, ask [`asks_for_websocket`](handshake::asks_for_websocket) before.
#[allow(
    clippy::type_complexity,
    reason = "a pair of what the caller spawns and answers"
)]
pub fn upgrade<B>(
    request: &mut Request<B>,
    server: &Server,
) -> Result<
    (
        Response<()>,
        impl Future<Output = Result<WebSocket<UpgradedStream>, hyper::Error>> + Send + 'static,
    ),
    UpgradeError,
> {
    let head = handshake::Request::from_http(&*request);
    let on_upgrade = || request.extensions_mut().remove();
    let (response, on_upgrade, accepted) = answer(head, on_upgrade, server)?;
    Ok((
        response,
        open(on_upgrade, accepted, server.config.clone(), None),
    ))
}

/// Why a request does not become a WebSocket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// It breaks a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It was turned down by [`Server::decide`], with this answer.
    #[error("the request was turned down")]
    Rejected(Box<Response<String>>),
    /// The answer of [`Server::decide`] cannot be sent: 500.
    #[error("response: {0}")]
    Response(#[from] ResponseError),
    /// The server below cannot upgrade, or something else has done it: 500.
    #[error("the connection cannot be upgraded")]
    NotUpgradable,
}

impl UpgradeError {
    /// The answer to the request.
    pub fn into_http(self) -> Response<String> {
        match self {
            Self::Refused(refusal) => refusal.to_http(),
            Self::Rejected(answer) => *answer,
            Self::Response(_) | Self::NotUpgradable => {
                let mut answer = Response::new(format!("{self}\n"));
                *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                answer
            }
        }
    }
}

/// The 101 for a request, and what is known of it on the open connection.
pub(crate) fn answer(
    request: handshake::Request,
    on_upgrade: impl FnOnce() -> Option<OnUpgrade>,
    server: &Server,
) -> Result<(Response<()>, OnUpgrade, Accepted), UpgradeError> {
    let upgrade = request.check(&server.options)?;
    let on_upgrade = on_upgrade().ok_or(UpgradeError::NotUpgradable)?;
    let response = match server.decide_about(&request) {
        Ok(response) => response,
        Err(rejection) => return Err(UpgradeError::Rejected(Box::new(rejection.to_http()?))),
    };
    let answer = upgrade.to_http(&response)?;
    Ok((answer, on_upgrade, Accepted::new(request, &response)))
}

/// The WebSocket, once hyper has sent the response.
pub(crate) async fn open(
    on_upgrade: OnUpgrade,
    accepted: Accepted,
    config: Arc<Config>,
    peer: Option<SocketAddr>,
) -> Result<WebSocket<UpgradedStream>, hyper::Error> {
    let stream = TokioIo::new(on_upgrade.await?);
    let mut transport = Transport::new(stream).with_peer(peer);
    transport.trace = Trace::server(peer);
    transport.opened(Head::Server(accepted));
    let connection = Connection::new(Role::Server, config, transport.now());
    Ok(WebSocket::new(transport, connection))
}
