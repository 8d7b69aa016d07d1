//! A server that ends while a client is connected: the client gets a Close with
//! code 1001, and the server waits for it.

use async_std::channel;
use async_std::net::{TcpListener, TcpStream};
use async_std::task;
use sockeye_async_std::handshake::Origins;
use sockeye_async_std::{HalfClose, MaybeTls, Server, WebSocket, connect};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    task::block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/", listener.local_addr()?);

    // Whatever decides when to end; a signal in a real server.
    let (shut_down, shutdown) = channel::bounded::<()>(1);
    let server = task::spawn(async move {
        let shutdown = async {
            let _ = shutdown.recv().await;
        };
        Server::new(Origins::Any)
            .serve(listener, shutdown, handler)
            .await
    });

    let mut websocket = connect(&url).await?;
    websocket.send("hello").await?;
    let reply = websocket.next().await.ok_or("closed too early")??;
    println!("client: received {reply:?}");

    println!("server: shutting down");
    shut_down.send(()).await?;
    while let Some(message) = websocket.next().await {
        println!("client: received {:?}", message?);
    }
    println!("client: closed, {:?}", websocket.close_reason());
    println!("server: {:?}", server.await);
    Ok(())
}

async fn handler(mut websocket: WebSocket<MaybeTls<HalfClose<TcpStream>>>) {
    while let Some(Ok(message)) = websocket.next().await {
        let Ok(()) = websocket.send(&message).await else {
            break;
        };
    }
    println!("server: a connection ended, {:?}", websocket.close_reason());
}
