//! What the panels ask for: the same messages, in six ways.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use sockeye_tokio::{Server, upgrade};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::lab::{Lab, Panel};
use crate::wire::timed;
use crate::{App, answer, empty};

/// Answers a request of a panel.
pub(crate) async fn respond(
    app: &App,
    lab: &Arc<Lab>,
    panel: Panel,
    request: Request<Incoming>,
) -> Response<Body> {
    let mut response = match (request.method(), panel) {
        (_, Panel::EngineIo) => engineio(app, request).await,
        (&Method::POST, _) => receive(lab, panel, request).await,
        (&Method::GET, Panel::Short) => poll(lab, panel, after(&request)),
        (&Method::GET, Panel::Long) => wait(lab, after(&request)).await,
        (&Method::GET, Panel::Chunked | Panel::Events) => stream(lab, panel, after(&request)),
        (&Method::GET, Panel::WebSocket) => websocket(&app.websockets, lab, request),
        _ => empty(StatusCode::METHOD_NOT_ALLOWED),
    };
    // The pages of all ports may read it, and nobody else has a laboratory's name.
    let any = hyper::header::HeaderValue::from_static("*");
    let fields = response.headers_mut();
    fields.insert("access-control-allow-origin", any);
    sleep(Duration::from_millis(lab.controls().delay)).await;
    response
}

/// What of the messages the client has: from now on, if it does not say.
fn after(request: &Request<Incoming>) -> Option<u64> {
    let last = request.headers().get("last-event-id");
    let last = last.and_then(|last| last.to_str().ok());
    let query = request.uri().query().unwrap_or_default();
    let query = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("after="));
    last.or(query)?.parse().ok()
}

/// Short polling: what there is, be it nothing.
fn poll(lab: &Lab, panel: Panel, after: Option<u64>) -> Response<Body> {
    let messages = match after {
        Some(after) => lab.after(after),
        None => lab.after(lab.newest().saturating_sub(1)),
    };
    lab.meter(panel).sent.add(messages.len());
    let lines: Vec<_> = messages.iter().map(|message| &message.text[..]).collect();
    answer("text/plain", lines.join(&b'\n'))
}

/// Long polling: the answer waits until there is something to answer.
async fn wait(lab: &Lab, after: Option<u64>) -> Response<Body> {
    let after = after.unwrap_or(lab.newest());
    let _ = timeout(LONGEST_WAIT, lab.next(after)).await;
    poll(lab, Panel::Long, Some(after))
}

/// Streaming: an answer without an end.
fn stream(lab: &Arc<Lab>, panel: Panel, after: Option<u64>) -> Response<Body> {
    let (chunks, body) = mpsc::channel(1);
    let lab = lab.clone();
    tokio::spawn(async move {
        let mut number = after.unwrap_or(lab.newest());
        loop {
            let next = tokio::select! {
                next = lab.next_due(number) => next,
                () = chunks.closed() => return,
            };
            let Some(message) = next else {
                return;
            };
            number = message.number;
            if chunks
                .send(chunk(panel, number, &message.text))
                .await
                .is_err()
            {
                return;
            }
            lab.meter(panel).sent.add(1);
        }
    });
    let kind = match panel {
        Panel::Events => "text/event-stream",
        _ => "text/plain",
    };
    answer(kind, Body::new(Chunks(body)))
}

fn chunk(panel: Panel, number: u64, text: &[u8]) -> Bytes {
    match panel {
        Panel::Events => [format!("id: {number}\ndata: ").as_bytes(), text, b"\n\n"].concat(),
        _ => [text, b"\n"].concat(),
    }
    .into()
}

/// A body whose end is that of its sender.
struct Chunks(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.0.poll_recv(cx);
        chunk.map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// A message of a client that has no other way than a request of its own.
async fn receive(lab: &Lab, panel: Panel, request: Request<Incoming>) -> Response<Body> {
    let body = to_bytes(Body::new(request.into_body()), LARGEST);
    match timeout(LONGEST_WAIT, body).await {
        Ok(Ok(_)) => {
            lab.meter(panel).received.add(1);
            empty(StatusCode::NO_CONTENT)
        }
        Ok(Err(_)) => empty(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => empty(StatusCode::REQUEST_TIMEOUT),
    }
}

/// WebSocket: after one request, messages both ways.
fn websocket(server: &Server, lab: &Arc<Lab>, mut request: Request<Incoming>) -> Response<Body> {
    if lab.controls().blocked > 0 {
        return empty(StatusCode::FORBIDDEN);
    }
    let (response, websocket) = match upgrade(&mut request, server) {
        Ok(upgraded) => upgraded,
        Err(error) => return error.into_http().map(Body::from),
    };
    let lab = lab.clone();
    tokio::spawn(timed(async move {
        let Ok(mut websocket) = websocket.await else {
            return;
        };
        let meter = lab.meter(Panel::WebSocket);
        let mut number = lab.newest();
        loop {
            tokio::select! {
                message = websocket.next() => match message {
                    Some(Ok(_)) => meter.received.add(1),
                    _ => return,
                },
                next = lab.next_due(number) => {
                    let Some(message) = next else {
                        return;
                    };
                    number = message.number;
                    let text = String::from_utf8_lossy(&message.text);
                    if websocket.send(&*text).await.is_err() {
                        return;
                    }
                    meter.sent.add(1);
                }
            }
        }
    }));
    response.map(|()| Body::empty())
}

/// Engine.IO: polling that becomes a WebSocket, where there is one.
async fn engineio(app: &App, request: Request<Incoming>) -> Response<Body> {
    use hyper::service::Service;
    match app.engineio.call(request).await {
        Ok(response) => response.map(Body::new),
    }
}

/// How long a request may wait for something.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// The largest message of a client.
const LARGEST: usize = 64 * 1024;
