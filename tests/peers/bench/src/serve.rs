//! Echo servers: one thread, and connections whose handshake is done already.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sockeye::Instant;
use sockeye::websocket::{Config, Connection, Role};
use sockeye_tokio::driver::WebSocket;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::count::{Asked, call, measured_from_here, pin};
use crate::floor;
use crate::tape::READ;

/// Who serves, in the order of the table.
pub const SUBJECTS: &[&str] = &[
    "tcp",
    "floor",
    "sockeye for_each",
    "sockeye next",
    #[cfg(feature = "peers")]
    "tokio-tungstenite",
    #[cfg(feature = "peers")]
    "tokio-tungstenite+batch",
    #[cfg(feature = "peers")]
    "fastwebsockets",
    #[cfg(feature = "peers")]
    "fastwebsockets+batch",
    #[cfg(feature = "peers")]
    "tokio-websockets",
    #[cfg(feature = "peers")]
    "tokio-websockets+batch",
];

/// Serves until it is killed. Prints the port of the server, and a port where
/// each connection is told what was asked of the system so far.
pub fn run(subject: &str) -> io::Result<()> {
    on_one_thread(async |listener| match subject {
        "tcp" => serve(listener, tcp).await,
        "floor" => serve(listener, least).await,
        "sockeye for_each" => serve(listener, for_each).await,
        "sockeye next" => serve(listener, next).await,
        #[cfg(feature = "peers")]
        _ => peers::run(subject, listener).await,
        #[cfg(not(feature = "peers"))]
        _ => panic!("{subject} is not in this build"),
    })
}

/// Runs a server on the first processor.
pub fn on_one_thread(server: impl AsyncFnOnce(TcpListener) -> io::Result<()>) -> io::Result<()> {
    pin(0);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let counts = TcpListener::bind("127.0.0.1:0").await?;
        println!(
            "{} {}",
            listener.local_addr()?.port(),
            counts.local_addr()?.port()
        );
        tokio::spawn(tell(counts));
        server(listener).await
    })
}

/// Tells what was asked for, and marks the place for a simulator.
async fn tell(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        measured_from_here();
        let _ = stream.write_all(Asked::now().encode().as_bytes()).await;
    }
}

async fn serve<F>(listener: TcpListener, mut echo: impl FnMut(Counted) -> F) -> io::Result<()>
where
    F: Future<Output = Option<()>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(echo(Counted(stream)));
    }
}

async fn tcp(mut stream: Counted) -> Option<()> {
    let mut buffer = vec![0; READ];
    loop {
        match stream.read(&mut buffer).await.ok()? {
            0 => return None,
            n => stream.write_all(&buffer[..n]).await.ok()?,
        }
    }
}

async fn for_each(stream: Counted) -> Option<()> {
    let mut websocket = sockeye(stream);
    let echo = websocket.for_each(|connection, message| {
        let _ = connection.send(message);
    });
    echo.await.ok()
}

async fn next(stream: Counted) -> Option<()> {
    let mut websocket = sockeye(stream);
    while let Some(message) = websocket.next().await {
        websocket.send(message.ok()?).await.ok()?;
    }
    None
}

fn sockeye(stream: Counted) -> sockeye_tokio::WebSocket<Counted> {
    let connection = Connection::new(Role::Server, Config::default(), Instant::ZERO);
    WebSocket::new(sockeye_tokio::Transport::new(stream), connection)
}

/// A stream whose reads and writes that move bytes are counted.
pub struct Counted(pub TcpStream);

impl AsyncRead for Counted {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
        call();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.0).poll_write(cx, buf))?;
        call();
        Poll::Ready(Ok(n))
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.0).poll_write_vectored(cx, bufs))?;
        call();
        Poll::Ready(Ok(n))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

async fn least(mut stream: Counted) -> Option<()> {
    let mut floor = Floor::default();
    poll_fn(|cx| SCRATCH.with_borrow_mut(|scratch| floor.poll(&mut stream, scratch, cx)))
        .await
        .ok()
}

/// The floor over a socket: input goes to the thread's scratch, and only an
/// unfinished frame is kept; replies to one read are one write.
#[derive(Default)]
struct Floor {
    kept: Vec<u8>,
    /// How much of `kept` is input.
    filled: usize,
    out: Vec<u8>,
}

/// Payloads above this size are written from where they are.
const COPIED: usize = 4096;

impl Floor {
    fn poll(
        &mut self,
        stream: &mut Counted,
        scratch: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            while !self.out.is_empty() {
                let n = ready!(Pin::new(&mut *stream).poll_write(cx, &self.out))?;
                self.out.drain(..n);
            }
            if self.filled == 0 {
                let mut read = ReadBuf::new(scratch);
                ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
                let n = read.filled().len();
                if n == 0 {
                    return Poll::Ready(Ok(()));
                }
                let used = self.frames(stream, &mut scratch[..n], cx)?;
                let left = &scratch[used..n];
                let room = floor::head(left).map_or(READ, |head| head.end);
                if !left.is_empty() {
                    self.kept.resize(self.kept.len().max(room), 0);
                    self.kept[..left.len()].copy_from_slice(left);
                    self.filled = left.len();
                }
            } else {
                let mut read = ReadBuf::new(&mut self.kept[self.filled..]);
                ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
                match read.filled().len() {
                    0 => return Poll::Ready(Ok(())),
                    n => self.filled += n,
                }
                let mut kept = std::mem::take(&mut self.kept);
                let used = self.frames(stream, &mut kept[..self.filled], cx)?;
                kept.copy_within(used..self.filled, 0);
                self.filled -= used;
                self.kept = kept;
            }
        }
    }

    /// Echoes the whole frames of `input`, and says how long they were.
    fn frames(
        &mut self,
        stream: &mut Counted,
        input: &mut [u8],
        cx: &mut Context<'_>,
    ) -> io::Result<usize> {
        let mut at = 0;
        while let Some(head) = floor::head(&input[at..]) {
            let Some(frame) = input.get_mut(at..at + head.end) else {
                break;
            };
            at += head.end;
            let payload = floor::open(head, frame);
            if payload.len() <= COPIED {
                floor::encode_head(head.text, None, payload.len(), &mut self.out);
                self.out.extend_from_slice(payload);
                continue;
            }
            // The header of the reply takes the place of the key.
            let mut header = Vec::with_capacity(10);
            floor::encode_head(head.text, None, payload.len(), &mut header);
            let start = head.start - header.len();
            frame[start..head.start].copy_from_slice(&header);
            let mut reply = &frame[start..];
            while self.out.is_empty() && !reply.is_empty() {
                match Pin::new(&mut *stream).poll_write(cx, reply)? {
                    Poll::Ready(n) => reply = &reply[n..],
                    Poll::Pending => break,
                }
            }
            self.out.extend_from_slice(reply);
        }
        Ok(at)
    }
}

#[cfg(feature = "peers")]
mod peers {
    use fastwebsockets::{FragmentCollector, OpCode};
    use futures_util::{FutureExt, SinkExt, StreamExt};
    use tokio_tungstenite::WebSocketStream;
    use tungstenite::Message;

    use super::*;

    pub(super) async fn run(subject: &str, listener: TcpListener) -> io::Result<()> {
        match subject {
            "tokio-tungstenite" => serve(listener, tungstenite).await,
            "tokio-tungstenite+batch" => serve(listener, tungstenite_batch).await,
            "fastwebsockets" => serve(listener, fastwebsockets).await,
            "fastwebsockets+batch" => serve(listener, fastwebsockets_batch).await,
            "tokio-websockets" => serve(listener, websockets).await,
            "tokio-websockets+batch" => serve(listener, websockets_batch).await,
            _ => panic!("there is no {subject}"),
        }
    }

    async fn tungstenite_stream(stream: Counted) -> WebSocketStream<Counted> {
        let role = tungstenite::protocol::Role::Server;
        WebSocketStream::from_raw_socket(stream, role, None).await
    }

    async fn tungstenite(stream: Counted) -> Option<()> {
        let mut socket = tungstenite_stream(stream).await;
        while let Some(message) = socket.next().await {
            match message.ok()? {
                message @ (Message::Text(_) | Message::Binary(_)) => {
                    socket.send(message).await.ok()?;
                }
                _ => return None,
            }
        }
        None
    }

    async fn tungstenite_batch(stream: Counted) -> Option<()> {
        let mut socket = tungstenite_stream(stream).await;
        loop {
            let message = match socket.next().now_or_never() {
                Some(message) => message,
                None => {
                    socket.flush().await.ok()?;
                    socket.next().await
                }
            };
            match message?.ok()? {
                message @ (Message::Text(_) | Message::Binary(_)) => {
                    socket.feed(message).await.ok()?;
                }
                _ => return None,
            }
        }
    }

    async fn fastwebsockets(stream: Counted) -> Option<()> {
        fastwebsockets_over(stream).await
    }

    async fn fastwebsockets_batch(stream: Counted) -> Option<()> {
        fastwebsockets_over(Corked::new(stream)).await
    }

    async fn fastwebsockets_over<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Option<()> {
        let role = fastwebsockets::Role::Server;
        let socket = fastwebsockets::WebSocket::after_handshake(stream, role);
        let mut socket = FragmentCollector::new(socket);
        loop {
            let frame = socket.read_frame().await.ok()?;
            match frame.opcode {
                OpCode::Text | OpCode::Binary => socket.write_frame(frame).await.ok()?,
                _ => return None,
            }
        }
    }

    async fn websockets(stream: Counted) -> Option<()> {
        let mut socket = tokio_websockets::ServerBuilder::new().serve(stream);
        while let Some(message) = socket.next().await {
            let message = message.ok()?;
            if !message.is_text() && !message.is_binary() {
                return None;
            }
            socket.send(message).await.ok()?;
        }
        None
    }

    async fn websockets_batch(stream: Counted) -> Option<()> {
        let mut socket = tokio_websockets::ServerBuilder::new().serve(stream);
        loop {
            let message = match socket.next().now_or_never() {
                Some(message) => message,
                None => {
                    socket.flush().await.ok()?;
                    socket.next().await
                }
            };
            let message = message?.ok()?;
            if !message.is_text() && !message.is_binary() {
                return None;
            }
            socket.feed(message).await.ok()?;
        }
    }

    /// Collects what is written, and writes it when there is nothing to read or
    /// 16 KiB wait: batching for a library that has none of its own.
    struct Corked {
        stream: Counted,
        out: Vec<u8>,
    }

    impl Corked {
        fn new(stream: Counted) -> Self {
            Self {
                stream,
                out: Vec::new(),
            }
        }

        fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            while !self.out.is_empty() {
                let n = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out))?;
                self.out.drain(..n);
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Corked {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let read = Pin::new(&mut self.stream).poll_read(cx, buf);
            if read.is_pending() {
                ready!(self.poll_out(cx))?;
            }
            read
        }
    }

    impl AsyncWrite for Corked {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.out.len() >= 16 * 1024 {
                ready!(self.poll_out(cx))?;
            }
            self.out.extend_from_slice(buf);
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll_out(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            ready!(self.poll_out(cx))?;
            Pin::new(&mut self.stream).poll_shutdown(cx)
        }
    }
}
