//! A room in which everybody hears what one says, over Engine.IO.
//!
//! ```text
//! cargo run -p sockeye-async-std --features engineio --example chat -- --port 3000
//! ```

use std::sync::OnceLock;

use async_signal::{Signal, Signals};
use async_std::net::TcpListener;
use async_std::stream::StreamExt;
use sockeye_async_std::engineio::{
    Handler, Message, Opening, Options, Reason, Refused, Runtime, Server, Session, WhenFull, serve,
};
use sockeye_async_std::handshake::Origins;

/// A room: what one says, all hear. The first message of a client is its name.
struct Room;

impl Handler for Room {
    /// The name, once it is known.
    type Data = OnceLock<String>;

    fn open(&self, opening: &Opening<'_>) -> Result<Self::Data, Refused> {
        match opening.head.field("x-banned") {
            Some(_) => Err(Refused::new("not you again")),
            None => Ok(OnceLock::new()),
        }
    }

    fn opened(&self, session: &Session<Self>) {
        let _ = session.send("Who are you?");
    }

    fn message(&self, session: &Session<Self>, message: Message<'_>) {
        let Some(text) = message.as_text() else {
            return;
        };
        match session.data().get() {
            Some(name) => session.server().broadcast(format!("{name}: {text}")),
            None => {
                let name = session.data().get_or_init(|| text.to_owned());
                session.server().broadcast(format!("{name} has come"));
            }
        }
    }

    fn closed(&self, session: &Session<Self>, _: Reason) {
        if let Some(name) = session.data().get() {
            session.server().broadcast(format!("{name} has gone"));
        }
    }
}

fn options() -> Options {
    let mut options = Options::new(Origins::Any);
    // Whoever does not keep up has to go, since nobody waits for him.
    options.session.queue.when_full = WhenFull::Close;
    options
}

fn main() -> std::io::Result<()> {
    async_std::task::block_on(run())
}

async fn run() -> std::io::Result<()> {
    let port = std::env::args()
        .skip_while(|argument| argument != "--port")
        .nth(1);
    let port = port.and_then(|port| port.parse().ok());
    let listener = TcpListener::bind(("127.0.0.1", port.unwrap_or(3000))).await?;
    println!("listening on {}", listener.local_addr()?);
    let server = Server::new(Room, options(), Runtime::async_std());
    let mut signals = Signals::new([Signal::Int])?;
    let stopped = async {
        signals.next().await;
    };
    serve(&server, listener, stopped).await;
    Ok(())
}
