//! A proxy between clients and a server that disturbs what passes.
//!
//! ```sh
//! cargo run -p sockeye-tests --features chaos --bin chaos -- \
//!     --server 127.0.0.1:3000 --seed 1 --drop-request 0.01
//! ```
//!
//! `--seed` chooses what happens: the same happens again to the connection of the same
//! number, as far as clients connect in the same order. The other options are those of
//! [`Faults::set`]. It says its seed and where it listens; at SIGINT or SIGTERM it says
//! what it did and ends.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use sockeye_tests::chaos::{Dice, Exchange, Faults, Head, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

#[derive(Debug)]
struct Proxy {
    server: SocketAddr,
    seed: u64,
    faults: Faults,
    connections: Cell<u64>,
    done: RefCell<BTreeMap<&'static str, usize>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let mut proxy = Proxy {
        server: SocketAddr::from(([127, 0, 0, 1], 3000)),
        seed: 1,
        faults: Faults::default(),
        connections: Cell::new(0),
        done: RefCell::default(),
    };
    let mut port = 0;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let is_known = match &*name {
            "--server" => value.parse().map(|server| proxy.server = server).is_ok(),
            "--seed" => value.parse().map(|seed| proxy.seed = seed).is_ok(),
            "--port" => value.parse().map(|number| port = number).is_ok(),
            _ => proxy.faults.set(&name, &value),
        };
        if !is_known {
            return Err(io::Error::other(format!("what is {name} {value}?")));
        }
    }
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("seed {}", proxy.seed);
    println!("listening on {}", listener.local_addr()?);
    LocalSet::new()
        .run_until(Rc::new(proxy).serve(listener))
        .await
}

impl Proxy {
    async fn serve(self: Rc<Self>, listener: TcpListener) -> io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((client, _)) => {
                        connections.spawn_local(Rc::clone(&self).connection(client));
                    }
                    // Out of descriptors, for a while.
                    Err(_) => sleep(Duration::from_millis(10)).await,
                },
                Some(_) = connections.join_next() => {}
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
            }
        }
        for (what, count) in &*self.done.borrow() {
            println!("{count:>9} {what}");
        }
        Ok(())
    }

    fn count(&self, what: &'static str) {
        *self.done.borrow_mut().entry(what).or_default() += 1;
    }

    /// One exchange after another. Where anything fails the connection ends, as it would
    /// without a proxy.
    async fn connection(self: Rc<Self>, client: TcpStream) {
        let number = self.connections.get();
        self.connections.set(number + 1);
        self.count("connections");
        let mut dice = Dice::new(self.seed, number, &self.faults);
        let mut client = Peer::new(client);
        let mut server = None;
        while let Ok(Some(request)) = client.message(Head::request).await {
            match self
                .exchange(&mut dice, &mut client, &mut server, &request)
                .await
            {
                Ok(Then::Next) => {}
                Ok(Then::Close) | Err(_) => return close(&mut dice, client, server),
                Ok(Then::WebSocket) => {
                    let Some(server) = server else { return };
                    return self.websocket(&mut dice, client, server).await;
                }
            }
        }
    }

    async fn exchange(
        &self,
        dice: &mut Dice<'_>,
        client: &mut Peer,
        server: &mut Option<Peer>,
        request: &Message,
    ) -> io::Result<Then> {
        self.count("requests");
        sleep(dice.delay()).await;
        let fault = match dice.exchange() {
            Exchange::DuplicatePost if !request.head.is_post => Exchange::Pass,
            fault => fault,
        };
        match fault {
            Exchange::DropRequest => {
                self.count("requests dropped");
                return Ok(Then::Close);
            }
            Exchange::StallRequest => {
                self.count("requests that stalled");
                // Until the client gives up.
                client.gone().await;
                return Ok(Then::Close);
            }
            Exchange::Refuse => {
                self.count("requests refused");
                client.send(REFUSED).await?;
                return Ok(Then::Next);
            }
            Exchange::CutRequest(part) => {
                self.count("requests cut");
                let some = request.bytes.len() * part / 1000;
                self.reach(server)
                    .await?
                    .send(&request.bytes[..some])
                    .await?;
                return Ok(Then::Close);
            }
            _ => {}
        }

        let server = self.reach(server).await?;
        server.send(&request.bytes).await?;
        let answer = tokio::select! {
            answer = server.message(Head::answer) => answer?,
            () = client.gone() => return Ok(Then::Close),
        };
        let Some(answer) = answer else {
            return Ok(Then::Close);
        };
        if fault == Exchange::DuplicatePost {
            let mut again = self.connect().await?;
            again.send(&request.bytes).await?;
            // Whatever is answered to that, nobody asked.
            if again.message(Head::answer).await?.is_some() {
                self.count("requests doubled");
            }
        }
        sleep(dice.delay()).await;
        match fault {
            Exchange::DropAnswer => {
                self.count("answers dropped");
                return Ok(Then::Close);
            }
            Exchange::CutAnswer(part) => {
                self.count("answers cut");
                let some = answer.bytes.len() * part / 1000;
                client.send(&answer.bytes[..some]).await?;
                return Ok(Then::Close);
            }
            _ => client.send(&answer.bytes).await?,
        }
        Ok(match answer.head.status {
            101 => Then::WebSocket,
            _ if answer.head.is_until_end() => Then::Close,
            _ => Then::Next,
        })
    }

    /// The connection to the server, a new one where the last one has ended.
    async fn reach<'s>(&self, server: &'s mut Option<Peer>) -> io::Result<&'s mut Peer> {
        if server.as_mut().is_some_and(Peer::has_ended) {
            *server = None;
        }
        if server.is_none() {
            *server = Some(self.connect().await?);
        }
        server.as_mut().ok_or(io::ErrorKind::NotConnected.into())
    }

    async fn connect(&self) -> io::Result<Peer> {
        TcpStream::connect(self.server).await.map(Peer::new)
    }

    /// Both directions, until one of them ends.
    async fn websocket(&self, dice: &mut Dice<'_>, client: Peer, server: Peer) {
        self.count("WebSockets");
        let limit = match dice.websocket() {
            WebSocket::Pass => usize::MAX,
            WebSocket::Kill(limit) => limit,
        };
        let resets = dice.resets();
        let (mut up, mut down) = (dice.clone(), dice.clone());
        let (from_client, to_client) = client.stream.into_split();
        let (from_server, to_server) = server.stream.into_split();
        let (mut to_client, mut to_server) = (to_client, to_server);
        // The server's first frames may have come with its answer.
        let up = carry(&mut up, from_client, &mut to_server, client.read, limit);
        let down = carry(
            &mut down,
            from_server,
            &mut to_client,
            server.read,
            usize::MAX,
        );
        let killed = tokio::select! {
            killed = up => killed,
            killed = down => killed,
        };
        if killed {
            self.count("WebSockets killed");
            if resets {
                for stream in [to_client.as_ref(), to_server.as_ref()] {
                    let _ = stream.set_zero_linger();
                }
            }
        }
    }
}

/// What follows an exchange.
enum Then {
    Next,
    Close,
    WebSocket,
}

/// Carries bytes piece by piece, each with a delay; `true` when it has carried the last
/// that it may.
async fn carry(
    dice: &mut Dice<'_>,
    mut from: OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut piece: Vec<u8>,
    limit: usize,
) -> bool {
    let mut carried = 0;
    loop {
        piece.truncate(limit - carried);
        carried += piece.len();
        if !piece.is_empty() {
            sleep(dice.delay()).await;
        }
        if to.write_all(&piece).await.is_err() {
            return false;
        }
        if carried == limit {
            return true;
        }
        piece.clear();
        piece.reserve(PIECE);
        if !matches!(from.read_buf(&mut piece).await, Ok(1..)) {
            // What was sent last still arrives.
            let _ = to.shutdown().await;
            return false;
        }
    }
}

/// Ends both connections, with or without a reset.
fn close(dice: &mut Dice<'_>, client: Peer, server: Option<Peer>) {
    if dice.resets() {
        for peer in [Some(client), server].into_iter().flatten() {
            let _ = peer.stream.set_zero_linger();
        }
    }
}

/// A request or an answer.
struct Message {
    head: Head,
    bytes: Vec<u8>,
}

struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        let read = Vec::new();
        Self { stream, read }
    }

    /// The next whole message; `None` where the connection ends before.
    async fn message(
        &mut self,
        parse: fn(&[u8]) -> Result<Option<Head>, httparse::Error>,
    ) -> io::Result<Option<Message>> {
        loop {
            let head = parse(&self.read).map_err(|_| io::ErrorKind::InvalidData)?;
            let end = head.as_ref().and_then(|head| head.end(&self.read));
            if let (Some(head), Some(end)) = (head.clone(), end) {
                let rest = self.read.split_off(end);
                let bytes = std::mem::replace(&mut self.read, rest);
                return Ok(Some(Message { head, bytes }));
            }
            self.read.reserve(PIECE);
            if self.stream.read_buf(&mut self.read).await? == 0 {
                let whole = head.filter(Head::is_until_end);
                let bytes = std::mem::take(&mut self.read);
                return Ok(whole.map(|head| Message { head, bytes }));
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match timeout(PATIENCE, self.stream.write_all(bytes)).await {
            Ok(sent) => sent,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Ready when it has ended the connection. What it sends meanwhile is kept.
    async fn gone(&mut self) {
        while matches!(self.stream.read_buf(&mut self.read).await, Ok(1..)) {}
    }

    /// Whether it has ended the connection that nothing is expected from.
    fn has_ended(&mut self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        !matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

const REFUSED: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
/// As much as one read takes.
const PIECE: usize = 16 << 10;
/// For who does not read.
const PATIENCE: Duration = Duration::from_secs(30);
