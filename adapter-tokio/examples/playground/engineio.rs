//! The sessions of Engine.IO.

use std::net::SocketAddr;
use std::sync::Arc;

use sockeye::Instant;
use sockeye_tokio::driver;
use sockeye_tokio::engineio::{
    self, Handler, Head, Message, Opening, Options, Refused, SendError, Server, Service, Session,
    Transport,
};
use sockeye_tokio::handshake::Origins;

use crate::lab::{Lab, Labs, Panel};
use crate::wire::timed;

/// The service for the sessions of all laboratories.
pub(crate) fn service(labs: Labs) -> Service<Sessions> {
    // Pages of the main port ask the ports of their laboratories.
    let mut options = Options::new(Origins::Any);
    options.max_sessions = 4_096;
    let runtime = Runtime(engineio::Runtime::new());
    Service::new(Server::new(Sessions(labs), options, runtime))
}

/// The application behind the sessions.
pub(crate) struct Sessions(Labs);

impl Handler for Sessions {
    type Data = Arc<Lab>;

    fn open(&self, opening: &Opening<'_>) -> Result<Arc<Lab>, Refused> {
        let named = self.0.named(opening.head.path);
        named.map(|(lab, _)| lab).ok_or_else(Refused::default)
    }

    fn opened(&self, session: &Session<Self>) {
        tokio::spawn(feed(session.clone()));
    }

    fn message(&self, session: &Session<Self>, _: Message<'_>) {
        session.data().meter(Panel::EngineIo).received.add(1);
    }

    /// While WebSockets are blocked, a request for one is refused, and the session
    /// goes on by polling.
    fn allow(&self, head: &Head<'_>, _: Option<SocketAddr>) -> Result<(), Refused> {
        let is_websocket = head.field("upgrade").is_some();
        match self.0.named(head.path) {
            Some((lab, _)) if !is_websocket || lab.controls().blocked == 0 => Ok(()),
            _ => Err(Refused::new("WebSockets are blocked")),
        }
    }
}

/// Sends what there is, until the session or the laboratory ends.
async fn feed(session: Session<Sessions>) {
    let lab = session.data().clone();
    let mut number = lab.newest();
    loop {
        // Answers to requests are held back by themselves.
        let next = match session.transport() {
            Transport::WebSocket => lab.next_due(number).await,
            _ => lab.next(number).await,
        };
        let Some(message) = next else {
            return session.close();
        };
        number = message.number;
        let text = String::from_utf8_lossy(&message.text);
        match session.send(&*text) {
            Ok(()) => lab.meter(Panel::EngineIo).sent.add(1),
            // Whoever does not keep up misses something.
            Err(SendError::Full) => {}
            Err(_) => return,
        }
    }
}

/// tokio, with tasks whose time is counted.
struct Runtime(engineio::Runtime);

impl driver::Runtime for Runtime {
    type Sleep = <engineio::Runtime as driver::Runtime>::Sleep;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep_until(&self, at: Instant) -> Self::Sleep {
        self.0.sleep_until(at)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(timed(task));
    }

    fn random(&self, bytes: &mut [u8]) -> bool {
        self.0.random(bytes)
    }
}
