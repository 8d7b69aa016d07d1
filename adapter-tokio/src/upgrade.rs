//! WebSockets out of hyper's upgrades.

use http::{Request, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use sockeye::driver::Parts;
use sockeye::websocket::handshake::{Refusal, check_http};
use sockeye::websocket::{Connection, Role};

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
/// Of `server`, the options, the configuration and the subprotocols count.
///
/// ```
/// # #[derive(Debug)] struct Body;
/// use sockeye_tokio::handshake::Origins;
/// use sockeye_tokio::{Server, upgrade};
///
/// async fn service(mut request: http::Request<Body>) -> http::Response<String> {
///     let server = Server::new(Origins::SameHost);
///     match upgrade(&mut request, &server) {
///         Ok((response, websocket)) => {
///             tokio::spawn(async move {
///                 let Ok(mut websocket) = websocket.await else { return };
///                 let _ = websocket.send("welcome").await;
///             });
///             response.map(|()| String::new())
///         }
///         Err(refusal) => refusal.to_http(),
///     }
/// }
/// ```
///
/// # Errors
///
/// The rule that the request breaks; answer with [`Refusal::to_http`].
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
    Refusal,
> {
    let on_upgrade = hyper::upgrade::on(&mut *request);
    let (response, protocol) = answer(&head_of(request), server)?;
    Ok((response, open(on_upgrade, server.clone(), protocol)))
}

/// The head of a request without its body and without its extensions.
fn head_of<B>(request: &Request<B>) -> http::request::Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = request.method().clone();
    head.uri = request.uri().clone();
    head.version = request.version();
    head.headers = request.headers().clone();
    head
}

/// The 101 for a request, and the subprotocol it names.
pub(crate) fn answer(
    head: &http::request::Parts,
    server: &Server,
) -> Result<(Response<()>, Option<String>), Refusal> {
    let upgrade = check_http(&server.options, head)?;
    let ours = server.protocols.iter();
    let protocol = ours
        .map(String::as_str)
        .find(|ours| upgrade.protocols().contains(ours));
    let mut response = sockeye::websocket::handshake::Response::new();
    if let Some(protocol) = protocol {
        response = response.protocol(protocol);
    }
    // A subprotocol that was offered can be agreed upon.
    let response = upgrade.to_http(&response).unwrap_or_default();
    Ok((response, protocol.map(str::to_owned)))
}

/// The WebSocket, once hyper has sent the response.
pub(crate) async fn open(
    on_upgrade: OnUpgrade,
    server: Server,
    protocol: Option<String>,
) -> Result<WebSocket<UpgradedStream>, hyper::Error> {
    let mut transport = Transport::new(TokioIo::new(on_upgrade.await?));
    transport.trace = Trace::server(None);
    transport.opened(Head::Elsewhere(protocol));
    let now = sockeye::driver::Io::now(&transport);
    let connection = Connection::new(Role::Server, server.config, now);
    Ok(WebSocket::from_parts(Parts::new(
        transport,
        connection,
        Vec::new(),
    )))
}
