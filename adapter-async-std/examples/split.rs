//! One task receives while several others send.

use async_net::unix::UnixStream;
use async_std::task;
use sockeye_async_std::handshake::Origins;
use sockeye_async_std::websocket::{CloseCode, Message};
use sockeye_async_std::{Connect, accept};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    task::block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    // A pair of Unix sockets: any stream will do.
    let (here, there) = UnixStream::pair()?;
    let echo = task::spawn(async move {
        let mut websocket = accept(there, Origins::Any).await?;
        let echo = websocket.for_each(|connection, message| {
            let _ = connection.send(message);
        });
        echo.await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    });

    let (sender, mut receiver) = Connect::new("ws://localhost/")?.over(here).await?.split();
    let tasks: Vec<_> = (1..=3)
        .map(|task| {
            let sender = sender.clone();
            task::spawn(async move {
                for i in 1..=3 {
                    sender.send(format!("message {i} of task {task}")).await?;
                }
                sender.flush().await
            })
        })
        .collect();

    for _ in 0..9 {
        let message = receiver.next().await.ok_or("closed too early")??;
        println!("{}", message.as_text().unwrap_or_default());
    }
    for task in tasks {
        task.await?;
    }
    let close = task::spawn(async move { sender.close(CloseCode::NORMAL, "done").await });
    while let Some(message) = receiver.next().await {
        message.map(|message: Message<'_>| println!("and {message:?}"))?;
    }
    close.await?;
    echo.await.map_err(|error| error.to_string())?;
    println!("closed: {:?}", receiver.close_reason());
    Ok(())
}
