//! Sends each line of standard input as a text, and prints what comes.
//!
//! ```text
//! cargo run -p sockeye-tokio --example client -- ws://127.0.0.1:9001/ws
//! ```

use sockeye_tokio::connect;
use sockeye_tokio::websocket::{CloseCode, Message};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let talked = talk().await;
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

    tokio::spawn(async move {
        let mut lines = BufReader::new(stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
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
