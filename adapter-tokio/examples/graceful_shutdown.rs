//! A server that ends while a client is connected: the client gets a Close with
//! code 1001, and the server waits for it.

use sockeye_tokio::handshake::Origins;
use sockeye_tokio::{MaybeTls, Server, TcpStream, WebSocket, connect};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/", listener.local_addr()?);

    // Whatever decides when to end; a signal in a real server.
    let (shut_down, shutdown) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let shutdown = async { drop(shutdown.await) };
        Server::new(Origins::Any)
            .serve(listener, shutdown, handler)
            .await
    });

    let mut websocket = connect(&url).await?;
    websocket.send("hello").await?;
    let reply = websocket.next().await.ok_or("closed too early")??;
    println!("client: received {reply:?}");

    println!("server: shutting down");
    let _ = shut_down.send(());
    while let Some(message) = websocket.next().await {
        println!("client: received {:?}", message?);
    }
    println!("client: closed, {:?}", websocket.close_reason());
    println!("server: {:?}", server.await?);
    Ok(())
}

async fn handler(mut websocket: WebSocket<MaybeTls<TcpStream>>) {
    while let Some(Ok(message)) = websocket.next().await {
        let Ok(()) = websocket.send(&message).await else {
            break;
        };
    }
    println!("server: a connection ended, {:?}", websocket.close_reason());
}
