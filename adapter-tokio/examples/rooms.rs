//! A chat with rooms, which are kept by hand, over Engine.IO.
//!
//! ```text
//! cargo run -p sockeye-tokio --features engineio --example rooms -- --port 3000
//! ```
//!
//! `/join red` enters a room and leaves the one before; whatever else is said is heard
//! by everybody in the room.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sockeye_tokio::engineio::{
    Handler, Message, Opening, Options, Prepared, Reason, Refused, Runtime, Server, Session,
    WhenFull, serve,
};
use sockeye_tokio::handshake::Origins;
use tokio::net::TcpListener;

/// Who is in which room. One that is empty is none.
#[derive(Default)]
struct Rooms(Mutex<HashMap<String, Vec<Session<Rooms>>>>);

impl Rooms {
    fn join(&self, session: &Session<Self>, name: &str) {
        self.leave(session);
        let mut rooms = lock(&self.0);
        let members = rooms.entry(name.to_owned()).or_default();
        members.push(session.clone());
        let count = members.len();
        drop(rooms);
        *lock(session.data()) = name.to_owned();
        self.say(name, &format!("{count} in {name}"));
    }

    fn leave(&self, session: &Session<Self>) {
        let name = std::mem::take(&mut *lock(session.data()));
        let mut rooms = lock(&self.0);
        if let Some(members) = rooms.get_mut(&name) {
            members.retain(|member| member != session);
            if members.is_empty() {
                rooms.remove(&name);
            }
        }
    }

    /// The message is made once, and its bytes are shared.
    fn say(&self, name: &str, text: &str) {
        let message = Prepared::new(text);
        // Sending may end a session, which leaves its room then.
        let members = lock(&self.0).get(name).cloned().unwrap_or_default();
        for member in members {
            let _ = member.send_prepared(&message);
        }
    }
}

impl Handler for Rooms {
    /// The room that the session is in; none has an empty name.
    type Data = Mutex<String>;

    fn open(&self, _: &Opening<'_>) -> Result<Self::Data, Refused> {
        Ok(Mutex::default())
    }

    fn message(&self, session: &Session<Self>, message: Message<'_>) {
        let Some(text) = message.as_text() else {
            return;
        };
        match text.strip_prefix("/join ") {
            Some(name) if !name.is_empty() && name.len() <= 64 => self.join(session, name),
            _ => {
                let name = lock(session.data()).clone();
                self.say(&name, text);
            }
        }
    }

    fn closed(&self, session: &Session<Self>, _: Reason) {
        self.leave(session);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .skip_while(|argument| argument != "--port")
        .nth(1);
    let port = port.and_then(|port| port.parse().ok());
    let listener = TcpListener::bind(("127.0.0.1", port.unwrap_or(3000))).await?;
    println!("listening on {}", listener.local_addr()?);
    let mut options = Options::new(Origins::Any);
    // Whoever does not keep up has to go, since nobody waits for him.
    options.session.queue.when_full = WhenFull::Close;
    let server = Server::new(Rooms::default(), options, Runtime::new());
    let stopped = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    serve(&server, listener, stopped).await;
    Ok(())
}

/// What is locked here is whole even where something panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
