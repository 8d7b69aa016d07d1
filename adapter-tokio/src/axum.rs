//! An extractor for axum.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use hyper::upgrade::OnUpgrade;
use sockeye::websocket::Config;
use sockeye::websocket::handshake::{
    Origins, Request, ServerOptions, asks_for_websocket, check_http,
};

use crate::upgrade::{UpgradedStream, answer, open};
use crate::{Server, UpgradeError, WebSocket};

/// Extracts an upgrade to WebSocket from a request.
///
/// ```
/// use axum::response::Response;
/// use axum::{Router, routing::any};
/// use sockeye_tokio::axum::WebSocketUpgrade;
///
/// async fn handler(upgrade: WebSocketUpgrade) -> Response {
///     upgrade.on_upgrade(|mut websocket| async move {
///         while let Some(Ok(message)) = websocket.next().await {
///             let Ok(()) = websocket.send(&message).await else { break };
///         }
///     })
/// }
///
/// let app: Router = Router::new().route("/ws", any(handler));
/// ```
///
/// What the request offers and says is at [`request`](Self::request), and the
/// response is the handler's to alter:
///
/// ```
/// use std::net::SocketAddr;
///
/// use axum::extract::{ConnectInfo, State};
/// use axum::response::{IntoResponse, Response};
/// use sockeye_tokio::Server;
/// use sockeye_tokio::axum::WebSocketUpgrade;
///
/// async fn handler(
///     ConnectInfo(peer): ConnectInfo<SocketAddr>,
///     State(server): State<Server>,
///     upgrade: WebSocketUpgrade,
/// ) -> Response {
///     let offered: Vec<&str> = upgrade.request().protocols().collect();
///     println!("{peer} offers {offered:?}");
///     let upgrade = upgrade
///         .server(server)
///         .peer_addr(peer)
///         .on_failed_upgrade(|error| eprintln!("{error}"));
///     let response = upgrade.on_upgrade(|mut websocket| async move {
///         let request = websocket.get_ref().request();
///         let hello = format!("hello at {}", request.map_or("", |it| it.path()));
///         let _ = websocket.send(hello).await;
///     });
///     ([("x-served-by", "sockeye")], response).into_response()
/// }
/// ```
///
/// A request that is no valid upgrade is rejected with 400, 405 or 426. Extract
/// an `Option` where the same path serves pages as well: it is `None` for a
/// request that asks for no upgrade to WebSocket.
///
/// Unless [`origins`](Self::origins) says otherwise, web pages may connect from
/// the host that the request is for, and from nowhere else. The peer's address
/// is not found in the request: [`peer_addr`](Self::peer_addr) tells it.
///
/// axum does not wait for upgraded connections when it shuts down:
/// [`Transport::join`](crate::Transport::join) lets them end with it. Nor does it
/// set `TCP_NODELAY`: `axum::serve::ListenerExt::tap_io` does.
#[must_use]
pub struct WebSocketUpgrade {
    request: Request,
    on_upgrade: OnUpgrade,
    server: Server,
    peer: Option<SocketAddr>,
    on_failed_upgrade: Option<Box<dyn FnOnce(hyper::Error) + Send>>,
}

impl fmt::Debug for WebSocketUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketUpgrade")
            .field("request", &self.request)
            .field("server", &self.server)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// As a response it says why.
impl IntoResponse for UpgradeError {
    fn into_response(self) -> Response {
        self.into_http().map(Body::from)
    }
}

impl<T: Send + Sync> FromRequestParts<T> for WebSocketUpgrade {
    type Rejection = UpgradeError;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Self, UpgradeError> {
        // Which origins may connect, and the rest, is asked once that is known.
        check_http(&ServerOptions::new(Origins::Any), &*parts)?;
        let on_upgrade = parts.extensions.remove();
        Ok(Self {
            request: Request::from_http(&*parts),
            on_upgrade: on_upgrade.ok_or(UpgradeError::NotUpgradable)?,
            server: Server::new(Origins::SameHost),
            peer: None,
            on_failed_upgrade: None,
        })
    }
}

impl<T: Send + Sync> OptionalFromRequestParts<T> for WebSocketUpgrade {
    type Rejection = UpgradeError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &T,
    ) -> Result<Option<Self>, UpgradeError> {
        // Else it is a page: by any method, and any version of HTTP.
        if !asks_for_websocket(&parts.headers) {
            return Ok(None);
        }
        let extracted = <Self as FromRequestParts<T>>::from_request_parts(parts, state);
        extracted.await.map(Some)
    }
}

impl WebSocketUpgrade {
    /// The request: the subprotocols it offers, its path, its header fields.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Takes everything that follows from `server`, and what it
    /// [decides](Server::decide).
    pub fn server(mut self, server: Server) -> Self {
        self.server = server;
        self
    }

    /// Says which web pages may connect.
    pub fn origins(mut self, origins: Origins) -> Self {
        Arc::make_mut(&mut self.server.options).origins = origins;
        self
    }

    /// Sets what is asked of the request, limits and origins included.
    pub fn options(mut self, options: impl Into<Arc<ServerOptions>>) -> Self {
        self.server = self.server.options(options);
        self
    }

    /// Sets the limits and deadlines of the connection.
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.server = self.server.config(config);
        self
    }

    /// Names the subprotocols that are spoken, the best first.
    pub fn protocols<P: Into<String>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.server = self.server.protocols(protocols);
        self
    }

    /// Tells the peer's address, for
    /// [`Transport::peer_addr`](crate::Transport::peer_addr).
    pub fn peer_addr(mut self, peer: SocketAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Is called instead of the handler if the connection ends before the answer
    /// is sent.
    pub fn on_failed_upgrade(
        mut self,
        callback: impl FnOnce(hyper::Error) + Send + 'static,
    ) -> Self {
        self.on_failed_upgrade = Some(Box::new(callback));
        self
    }

    /// Answers the request; `handler` then runs with the WebSocket in a task of
    /// its own. It does not if the connection ends before the answer is sent.
    /// Header fields may be added to the answer.
    pub fn on_upgrade<H, F>(self, handler: H) -> Response
    where
        H: FnOnce(WebSocket<UpgradedStream>) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let answered = answer(self.request, || Some(self.on_upgrade), &self.server);
        let (response, on_upgrade, accepted) = match answered {
            Ok(answered) => answered,
            Err(error) => return error.into_response(),
        };
        let opening = open(on_upgrade, accepted, self.server.config, self.peer);
        tokio::spawn(async move {
            match (opening.await, self.on_failed_upgrade) {
                (Ok(websocket), _) => handler(websocket).await,
                (Err(error), Some(callback)) => callback(error),
                (Err(_), None) => {}
            }
        });
        response.map(|()| Body::empty())
    }
}
