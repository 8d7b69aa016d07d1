//! A minimal Engine.IO server: it sends back what it receives.
//!
//! ```text
//! cargo run -p sockeye-tokio --features engineio --example engineio_server
//! ```

use sockeye_tokio::engineio::{
    Handler, Message, Opening, Options, Refused, Runtime, Server, Session, serve,
};
use sockeye_tokio::handshake::Origins;
use tokio::net::TcpListener;

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn open(&self, _: &Opening<'_>) -> Result<(), Refused> {
        Ok(())
    }

    fn message(&self, session: &Session<Self>, message: Message<'_>) {
        // A client that does not fetch its echoes goes without.
        let _ = session.send(message);
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on {}", listener.local_addr()?);
    let server = Server::new(Echo, Options::new(Origins::SameHost), Runtime::new());
    serve(&server, listener, async {
        let _ = tokio::signal::ctrl_c().await;
    })
    .await;
    Ok(())
}
