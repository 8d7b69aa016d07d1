//! TLS, with a certification authority made for each test.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use sockeye::websocket::handshake::{Limits, Origins, Response, ServerOptions, accept_key};
use sockeye::websocket::{CloseCode, Event, Reason};

use super::engineio_client;
use super::kit::{echo, join};
use super::pipe::pipe;
use crate::runtime::adapter::{Connect, ConnectError, Error, MaybeTls, Server, WebSocket, connect};
use crate::runtime::{TcpStream, bind, block_on, oneshot, spawn};

/// An authority, and what trusts it.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn server(&self, name: &str, expired: bool) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if expired {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.0).unwrap();
        server(certificate.der().clone(), key.serialize_der())
    }

    fn client(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

fn server(certificate: CertificateDer<'static>, key: Vec<u8>) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key).unwrap())
        .unwrap()
}

/// Serves an echo while `client` talks to its port.
fn serving<F: Future>(server: Server, client: impl FnOnce(u16) -> F) -> F::Output {
    block_on(async {
        let (listener, address) = bind().await;
        let (stop, stopped) = oneshot();
        let serving = spawn(async move {
            let handler = |mut websocket: WebSocket<_>| async move {
                let echo = websocket.for_each(|connection, message| {
                    let _ = connection.send(message);
                });
                let _ = echo.await;
            };
            server.serve(listener, stopped, handler).await
        });
        let output = client(address.port()).await;
        stop();
        serving.await;
        output
    })
}

fn tls(config: ServerConfig) -> Server {
    Server::new(Origins::Any).tls(config)
}

async fn open(
    name: &str,
    port: u16,
    tls: ClientConfig,
) -> Result<WebSocket<MaybeTls<TcpStream>>, ConnectError> {
    Connect::new(&format!("wss://{name}:{port}/ws"))
        .unwrap()
        .tls(tls)
        .open()
        .await
}

/// A server of one connection, by hand: it shakes hands and leaves the rest to
/// `then`. What it drops ends without `close_notify`.
fn by_hand(
    config: ServerConfig,
    then: impl FnOnce(&mut StreamOwned<ServerConnection, std::net::TcpStream>) + Send + 'static,
) -> (u16, std::thread::JoinHandle<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let key = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("sec-websocket-key")
                .then_some(value)
        });
        let accept = accept_key(key.unwrap().as_bytes());
        let accept = std::str::from_utf8(&accept).unwrap();
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(response.as_bytes()).unwrap();
        then(&mut stream);
    });
    (port, thread)
}

#[test]
fn wss_echoes_large_messages() {
    let authority = Authority::new();
    serving(tls(authority.server("localhost", false)), async |port| {
        let mut client = open("localhost", port, authority.client()).await.unwrap();
        assert!(client.get_ref().get_ref().is_tls());
        client.send(vec![5; 500_000]).await.unwrap();
        assert_eq!(
            client.next().await.unwrap().unwrap().as_bytes(),
            [5; 500_000]
        );
        client.close(CloseCode::NORMAL, "").await.unwrap();
        assert!(!client.get_ref().is_truncated());
    });
}

#[test]
fn l01_an_end_without_close_notify_after_the_closing_handshake_is_clean() {
    let authority = Authority::new();
    let (port, thread) = by_hand(authority.server("localhost", false), |stream| {
        let mut close = [0; 8];
        stream.read_exact(&mut close).unwrap();
        stream.write_all(&[0x88, 2, 3, 0xe8]).unwrap();
        stream.sock.shutdown(Shutdown::Write).unwrap();
    });
    block_on(async {
        let mut client = open("localhost", port, authority.client()).await.unwrap();
        client.close(CloseCode::NORMAL, "").await.unwrap();
        assert!(client.close_reason().unwrap().is_clean());
    });
    thread.join().unwrap();
}

#[test]
fn l02_an_end_without_close_notify_before_a_close_is_1006_and_truncated() {
    let authority = Authority::new();
    let (port, thread) = by_hand(authority.server("localhost", false), |stream| {
        stream.write_all(&[0x81, 2, b'h', b'i']).unwrap();
        stream.sock.shutdown(Shutdown::Write).unwrap();
    });
    block_on(async {
        let mut client = open("localhost", port, authority.client()).await.unwrap();
        let message = client.next().await.unwrap().unwrap();
        assert_eq!(message.as_text(), Some("hi"));
        let error = client.next().await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Ended(Reason::Eof)), "{error:?}");
        assert_eq!(error.close_code(), Some(1006));
        assert!(client.get_ref().is_truncated());
    });
    thread.join().unwrap();
}

#[test]
fn l03_wrong_names_and_old_unknown_and_self_made_certificates_are_refused() {
    let authority = Authority::new();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let own = server(own.cert.der().clone(), own.signing_key.serialize_der());
    let wrong = authority.server("elsewhere.example", false);
    let certificates = [
        ("of another name", wrong),
        ("expired", authority.server("localhost", true)),
        ("unknown", Authority::new().server("localhost", false)),
        ("self-made", own),
    ];
    for (what, server) in certificates {
        let asked = Arc::new(AtomicBool::new(false));
        let server = tls(server).decide({
            let asked = asked.clone();
            move |_| {
                asked.store(true, Ordering::Relaxed);
                Ok(Response::new())
            }
        });
        let result = serving(server, async |port| {
            open("localhost", port, authority.client()).await
        });
        assert!(
            matches!(result, Err(ConnectError::Io(_))),
            "{what}: {result:?}"
        );
        assert!(!asked.load(Ordering::Relaxed), "{what}: a request was sent");
    }
}

#[test]
fn l03_without_a_configuration_there_is_no_tls() {
    block_on(async {
        let result = connect("wss://localhost:1/").await;
        assert!(matches!(result, Err(ConnectError::NoTls)), "{result:?}");
    });
}

#[test]
fn l04_sni_and_alpn_are_sent_whatever_the_configuration_says() {
    let authority = Authority::new();
    let mut server = authority.server("localhost", false);
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (port, thread) = by_hand(server, |stream| {
        assert_eq!(stream.conn.server_name(), Some("localhost"));
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    });
    let mut config = authority.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.enable_sni = false;
    block_on(async { open("localhost", port, config).await.unwrap() });
    thread.join().unwrap();
}

#[test]
fn l05_an_alert_within_the_tls_handshake_ends_it() {
    let authority = Authority::new();
    serving(tls(authority.server("localhost", false)), async |port| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (done, waited) = oneshot();
        let thread = std::thread::spawn(move || {
            // close_notify, in the clear, and nothing more
            stream.write_all(&[21, 3, 3, 0, 2, 1, 0]).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
            done();
        });
        waited.await;
        thread.join().unwrap();
        let mut client = open("localhost", port, authority.client()).await.unwrap();
        client.close(CloseCode::NORMAL, "").await.unwrap();
    });
}

#[test]
fn l05_a_stalled_tls_handshake_has_the_deadline_of_the_handshake() {
    let authority = Authority::new();
    let mut options = ServerOptions::new(Origins::Any);
    options.limits.timeout = Duration::from_millis(100);
    let server = tls(authority.server("localhost", false)).options(options);
    let read = serving(server, async |port| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (done, waited) = oneshot();
        let thread = std::thread::spawn(move || {
            let read = stream.read(&mut [0; 16]);
            done();
            read
        });
        waited.await;
        thread.join().unwrap()
    });
    assert_eq!(read.unwrap(), 0);
}

#[test]
fn l05_a_client_waits_for_tls_no_longer_than_for_the_handshake() {
    let authority = Authority::new();
    block_on(async {
        // Nobody answers.
        let (here, _there) = pipe(4096);
        let limits = Limits {
            timeout: Duration::from_millis(10),
            ..Limits::default()
        };
        let connect = Connect::new("wss://localhost/").unwrap().limits(limits);
        let result = connect.tls(authority.client()).over_tls(here).await;
        assert!(matches!(result, Err(ConnectError::Timeout)), "{result:?}");
    });
}

#[test]
fn tls_goes_over_a_stream_of_ones_own() {
    let authority = Authority::new();
    block_on(async {
        let (here, there) = pipe(700);
        let server = tls(authority.server("localhost", false));
        let connect = Connect::new("wss://localhost/").unwrap();
        let connecting = connect.tls(authority.client()).over_tls(here.awkward());
        let (client, server) = join(connecting, server.accept_tls(there)).await;
        let (mut client, server) = (client.unwrap(), server.unwrap());
        assert!(client.get_ref().get_ref().is_tls() && server.get_ref().get_ref().is_tls());
        let talk = async {
            client.send(vec![3; 10_000]).await.unwrap();
            let reply = client.next().await.unwrap().unwrap();
            assert_eq!(reply.as_bytes(), [3; 10_000]);
            client.close(CloseCode::NORMAL, "").await.unwrap();
        };
        join(talk, echo(server)).await.1.unwrap();
        assert!(!client.get_ref().is_truncated());

        // Where the URL says `ws`, and the server has no certificate.
        let (here, there) = pipe(700);
        let connecting = Connect::new("ws://localhost/").unwrap().over_tls(here);
        let server = Server::new(Origins::Any);
        let (client, server) = join(connecting, server.accept_tls(there)).await;
        assert!(!client.unwrap().get_ref().get_ref().is_tls());
        assert!(!server.unwrap().get_ref().get_ref().is_tls());
    });
}

/// Cuts the first record, a ClientHello, into records of 50 bytes.
struct Cut {
    stream: std::net::TcpStream,
    first: bool,
}

impl Write for Cut {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if !std::mem::take(&mut self.first) {
            return self.stream.write(buf);
        }
        let (header, payload) = buf.split_at(5);
        for part in payload.chunks(50) {
            self.stream.write_all(&header[..3])?;
            self.stream.write_all(&[0, part.len() as u8])?;
            self.stream.write_all(part)?;
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Cut {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buf)
    }
}

#[test]
fn l05_a_client_hello_may_come_in_pieces() {
    let authority = Authority::new();
    let config = Arc::new(authority.client());
    let head = serving(tls(authority.server("localhost", false)), async |port| {
        let (done, waited) = oneshot();
        let thread = std::thread::spawn(move || {
            let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            let name = "localhost".try_into().unwrap();
            let connection = ClientConnection::new(config, name).unwrap();
            let mut tls = StreamOwned::new(
                connection,
                Cut {
                    stream,
                    first: true,
                },
            );
            tls.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .unwrap();
            let mut head = [0; 12];
            let read = tls.read_exact(&mut head);
            done();
            read.map(|()| head)
        });
        waited.await;
        thread.join().unwrap().unwrap()
    });
    // Understood, and refused: it is no upgrade.
    assert!(head.starts_with(b"HTTP/1.1 4"));
}

#[test]
fn l06_plain_text_and_tls_on_each_others_ports_fail_at_once() {
    let authority = Authority::new();
    serving(tls(authority.server("localhost", false)), async |port| {
        let result = connect(&format!("ws://localhost:{port}/")).await;
        assert!(
            matches!(result, Err(ConnectError::Handshake(_))),
            "{result:?}"
        );
    });
    serving(Server::new(Origins::Any), async |port| {
        let result = open("localhost", port, authority.client()).await;
        assert!(matches!(result, Err(ConnectError::Io(_))), "{result:?}");
    });
}

#[test]
fn l07_a_pong_gets_through_tls_while_the_server_only_reads() {
    let authority = Authority::new();
    serving(tls(authority.server("localhost", false)), async |port| {
        let mut client = open("localhost", port, authority.client()).await.unwrap();
        client.ping(b"are you there").await.unwrap();
        let mut ponged = false;
        let events = client.for_each_event(|connection, event| {
            if matches!(event, Event::Pong(payload) if &*payload == b"are you there") {
                ponged = true;
                connection.close(CloseCode::NORMAL, "").unwrap();
            }
        });
        events.await.unwrap();
        assert!(ponged);
    });
}

#[test]
fn engine_io_goes_through_tls() {
    let authority = Authority::new();
    let config = authority.server("localhost", false);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        engineio_client::answer_two(StreamOwned::new(connection, stream));
    });
    let url = format!("https://localhost:{port}");
    let messages = engineio_client::over_tls(&url, authority.client());
    assert_eq!(messages, ["over TLS".into()]);
    thread.join().unwrap();
}
