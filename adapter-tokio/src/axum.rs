//! An extractor for axum.

use std::future::Future;
use std::sync::Arc;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use hyper::upgrade::OnUpgrade;
use sockeye::websocket::Config;
use sockeye::websocket::handshake::{Origins, Refusal, ServerOptions, check_http};

use crate::upgrade::{UpgradedStream, answer, open};
use crate::{Server, WebSocket};

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
/// A request that is no valid upgrade is rejected with 400, 405 or 426. Extract
/// an `Option` where the same path serves pages as well: it is `None` for a
/// request that asks for no upgrade to WebSocket.
///
/// Unless [`origins`](Self::origins) says otherwise, web pages may connect from
/// the host that the request is for, and from nowhere else. Header fields and
/// the peer's address are extracted as with any other request.
///
/// axum does not wait for upgraded connections when it shuts down:
/// [`Transport::join`](crate::Transport::join) lets them end with it. Nor does it
/// set `TCP_NODELAY`: `axum::serve::ListenerExt::tap_io` does.
#[derive(Debug)]
#[must_use]
pub struct WebSocketUpgrade {
    head: Parts,
    on_upgrade: OnUpgrade,
    server: Server,
}

/// Why a request is no upgrade to WebSocket. As a response it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeRejection {
    /// The request breaks a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The server below cannot upgrade, or something else has done it: 500.
    #[error("the connection cannot be upgraded")]
    NotUpgradable,
}

impl IntoResponse for UpgradeRejection {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => refusal.to_http().map(Body::from),
            Self::NotUpgradable => {
                (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
            }
        }
    }
}

impl<T: Send + Sync> FromRequestParts<T> for WebSocketUpgrade {
    type Rejection = UpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Self, UpgradeRejection> {
        // Which origins may connect is asked once that is known.
        check_http(&ServerOptions::new(Origins::Any), parts)?;
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.method = parts.method.clone();
        head.uri = parts.uri.clone();
        head.version = parts.version;
        head.headers = parts.headers.clone();
        let on_upgrade = parts.extensions.remove();
        Ok(Self {
            head,
            on_upgrade: on_upgrade.ok_or(UpgradeRejection::NotUpgradable)?,
            server: Server::new(Origins::SameHost),
        })
    }
}

impl<T: Send + Sync> OptionalFromRequestParts<T> for WebSocketUpgrade {
    type Rejection = UpgradeRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &T,
    ) -> Result<Option<Self>, UpgradeRejection> {
        // Also a page by another method or another version of HTTP.
        if !parts.headers.contains_key(http::header::UPGRADE) {
            return Ok(None);
        }
        match <Self as FromRequestParts<T>>::from_request_parts(parts, state).await {
            Err(UpgradeRejection::Refused(Refusal::NoUpgrade)) => Ok(None),
            extracted => extracted.map(Some),
        }
    }
}

impl WebSocketUpgrade {
    /// Says which web pages may connect.
    pub fn origins(self, origins: Origins) -> Self {
        self.options(ServerOptions::new(origins))
    }

    /// Sets what is asked of the request.
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

    /// Answers the request; `handler` then runs with the WebSocket in a task of
    /// its own. It does not if the connection ends before the answer is sent.
    pub fn on_upgrade<H, F>(self, handler: H) -> Response
    where
        H: FnOnce(WebSocket<UpgradedStream>) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (response, protocol) = match answer(&self.head, &self.server) {
            Ok(answer) => answer,
            Err(refusal) => return UpgradeRejection::from(refusal).into_response(),
        };
        tokio::spawn(async move {
            if let Ok(websocket) = open(self.on_upgrade, self.server, protocol).await {
                handler(websocket).await;
            }
        });
        response.map(|()| Body::empty())
    }
}
