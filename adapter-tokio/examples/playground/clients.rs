//! Simulated clients: each receives what a page would, in one of the six ways.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sockeye_tokio::{TcpStream, connect, engineio};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::lab::{Lab, Panel};

/// Keeps as many clients as the controls say, until it is dropped.
pub(crate) async fn keep(lab: Arc<Lab>, port: u16, places: Arc<Semaphore>) {
    let mut controls = lab.watch_controls();
    // Each row has a client of every panel. Dropping it ends them.
    let mut rows = Vec::new();
    loop {
        let wanted = controls.borrow_and_update().clients as usize;
        rows.truncate(wanted);
        while rows.len() < wanted {
            let Ok(place) = places.clone().try_acquire_owned() else {
                break;
            };
            let mut row = JoinSet::new();
            for panel in Panel::ALL {
                row.spawn(stay(lab.clone(), port, panel));
            }
            rows.push((row, place));
        }
        if controls.changed().await.is_err() {
            return;
        }
    }
}

/// Comes back whenever the connection has ended.
async fn stay(lab: Arc<Lab>, port: u16, panel: Panel) {
    loop {
        let _ = receive(&lab, port, panel).await;
        sleep(Duration::from_millis(500)).await;
    }
}

type Lost = Box<dyn std::error::Error + Send + Sync>;

async fn receive(lab: &Lab, port: u16, panel: Panel) -> Result<(), Lost> {
    let authority = format!("127.0.0.1:{port}");
    let path = format!("/lab/{}/{}", lab.id(), panel.name());
    match panel {
        Panel::Short | Panel::Long => Poller::connect(port, path).await?.poll(lab, panel).await?,
        Panel::Chunked | Panel::Events => {
            let mut poller = Poller::connect(port, path).await?;
            poller.ask(lab.newest()).await?;
            tokio::io::copy(&mut poller.stream, &mut tokio::io::sink()).await?;
        }
        Panel::WebSocket => {
            let mut websocket = connect(&format!("ws://{authority}{path}")).await?;
            while let Some(message) = websocket.next().await {
                message?;
            }
        }
        Panel::EngineIo => {
            let mut session = engineio::connect(&format!("http://{authority}{path}")).await?;
            while let Some(message) = session.next().await {
                message?;
            }
        }
    }
    Ok(())
}

/// As much of HTTP as the server above speaks.
struct Poller {
    stream: BufReader<TcpStream>,
    path: String,
    fields: String,
}

impl Poller {
    async fn connect(port: u16, path: String) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            path,
            fields: format!("host: 127.0.0.1:{port}\r\n{FIELDS}\r\n"),
        })
    }

    async fn ask(&mut self, after: u64) -> io::Result<()> {
        let Self { path, fields, .. } = self;
        let request = format!("GET {path}?after={after} HTTP/1.1\r\n{fields}");
        self.stream.write_all(request.as_bytes()).await
    }

    async fn poll(&mut self, lab: &Lab, panel: Panel) -> io::Result<()> {
        let mut number = lab.newest();
        loop {
            self.ask(number).await?;
            let content = self.answer().await?;
            let last = content.rsplit('\n').next().unwrap_or_default();
            let last = last.split(' ').next().unwrap_or_default();
            number = last.parse().unwrap_or(number);
            if panel == Panel::Short {
                sleep(Duration::from_millis(lab.controls().every)).await;
            }
        }
    }

    async fn answer(&mut self) -> io::Result<String> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut content = vec![0; length];
        self.stream.read_exact(&mut content).await?;
        Ok(String::from_utf8_lossy(&content).into_owned())
    }
}

/// About what a browser says with each request.
const FIELDS: &str = "connection: keep-alive\r\n\
    user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    accept: */*\r\n\
    origin: http://127.0.0.1:9000\r\n\
    sec-fetch-site: same-site\r\n\
    sec-fetch-mode: cors\r\n\
    sec-fetch-dest: empty\r\n\
    referer: http://127.0.0.1:9000/\r\n\
    accept-encoding: gzip, deflate, br, zstd\r\n\
    accept-language: en-US,en;q=0.9\r\n";
