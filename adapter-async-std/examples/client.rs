//! Sends each line of standard input as a text, and prints what comes.
//!
//! ```text
//! cargo run -p sockeye-async-std --example client -- ws://127.0.0.1:9001/ws
//! ```

use async_std::io::prelude::BufReadExt;
use async_std::io::{BufReader, stdin};
use async_std::stream::StreamExt;
use async_std::task;
use sockeye_async_std::connect;
use sockeye_async_std::websocket::{CloseCode, Message};

fn main() {
    let talked = task::block_on(talk());
    if let Err(error) = &talked {
        eprintln!("{error}");
    }
    // Standard input cannot be interrupted: the process ends without it.
    std::process::exit(talked.is_err().into());
}

async fn talk() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or("ws://127.0.0.1:9001/ws".into());
    let (sender, mut receiver) = connect(&url).await?.split();

    task::spawn(async move {
        let mut lines = BufReader::new(stdin()).lines();
        while let Some(Ok(line)) = lines.next().await {
            let Ok(()) = sender.send(line).await else {
                return;
            };
        }
        // What is on its way still arrives: the receiver goes on until the end.
        let _ = sender.close(CloseCode::NORMAL, "").await;
    });
    while let Some(message) = receiver.next().await {
        match message? {
            Message::Text(text) => println!("{text}"),
            Message::Binary(bytes) => println!("{} bytes", bytes.len()),
        }
    }
    Ok(())
}
