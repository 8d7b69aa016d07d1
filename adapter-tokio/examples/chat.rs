//! A room in which everybody hears what one says, over Engine.IO.
//!
//! ```text
//! cargo run -p sockeye-tokio --features engineio --example chat -- --port 3000
//! ```

use std::sync::OnceLock;

use sockeye_tokio::engineio::{
    Handler, Message, Opening, Options, Reason, Refused, Runtime, Server, Session, WhenFull, serve,
};
use sockeye_tokio::handshake::Origins;
use tokio::net::TcpListener;

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

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .skip_while(|argument| argument != "--port")
        .nth(1);
    let port = port.and_then(|port| port.parse().ok());
    let listener = TcpListener::bind(("127.0.0.1", port.unwrap_or(3000))).await?;
    println!("listening on {}", listener.local_addr()?);
    let server = Server::new(Room, options(), Runtime::new());
    let stopped = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    serve(&server, listener, stopped).await;
    Ok(())
}
