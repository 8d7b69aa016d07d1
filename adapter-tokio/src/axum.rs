//! An extractor for axum.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use hyper::upgrade::OnUpgrade;
use sockeye::websocket::Config;
use sockeye::websocket::handshake::{Origins, Refusal, ServerOptions};

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
/// Unless [`origins`](Self::origins) says otherwise, web pages may connect from
/// the host that the request is for, and from nowhere else. A request that is no
/// valid upgrade is refused by [`on_upgrade`](Self::on_upgrade).
#[derive(Debug)]
#[must_use]
pub struct WebSocketUpgrade {
    head: Parts,
    on_upgrade: Option<OnUpgrade>,
    server: Server,
}

impl<T: Send + Sync> FromRequestParts<T> for WebSocketUpgrade {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Self, Infallible> {
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.method = parts.method.clone();
        head.uri = parts.uri.clone();
        head.version = parts.version;
        head.headers = parts.headers.clone();
        Ok(Self {
            head,
            on_upgrade: parts.extensions.remove(),
            server: Server::new(Origins::SameHost),
        })
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
    /// its own.
    pub fn on_upgrade<H, F>(self, handler: H) -> Response
    where
        H: FnOnce(WebSocket<UpgradedStream>) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (response, protocol) = match answer(&self.head, &self.server) {
            Ok(answer) => answer,
            Err(refusal) => return refuse(refusal),
        };
        let Some(on_upgrade) = self.on_upgrade else {
            // Something between hyper and here has taken the upgrade.
            return http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        tokio::spawn(async move {
            if let Ok(websocket) = open(on_upgrade, self.server, protocol).await {
                handler(websocket).await;
            }
        });
        response.map(|()| Body::empty())
    }
}

fn refuse(refusal: Refusal) -> Response {
    refusal.to_http().map(Body::from)
}
