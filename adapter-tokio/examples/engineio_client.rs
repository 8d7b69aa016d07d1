//! Sends each line of standard input as a text, and prints what comes.
//!
//! ```text
//! cargo run -p sockeye-tokio --features engineio --example engineio_client -- http://127.0.0.1:3000
//! ```

use sockeye_tokio::engineio::{Message, connect};
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
        .unwrap_or("http://127.0.0.1:3000".into());
    let mut client = connect(&url).await?;

    let sender = client.sender();
    tokio::spawn(async move {
        let mut lines = BufReader::new(stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(()) = sender.send(line).await else {
                return;
            };
        }
        // What is sent meanwhile still arrives: the client goes on until the end.
        sender.close();
    });
    while let Some(message) = client.next().await {
        match message? {
            Message::Text(text) => println!("{text}"),
            Message::Binary(bytes) => println!("{} bytes", bytes.len()),
        }
    }
    Ok(())
}
