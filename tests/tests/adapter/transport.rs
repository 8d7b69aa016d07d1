//! T01 to T07, T11, T20, T21, T24: whatever the stream below does.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::SockRef;
use sockeye::websocket::handshake::Origins;
use sockeye::websocket::{CloseCode, Config, Reason, SendError};
use sockeye_tests::alloc::measure;

use super::kit::{Count, echo, join, once, pair, pair_over, text};
use super::pipe::pipe;
use crate::runtime::adapter::{
    Connect, ConnectError, Error, MaybeTls, Server, TcpOptions, WebSocket, connect,
};
use crate::runtime::{Accepted, TcpStream, bind, block_on, is_nodelay, oneshot, spawn};

#[test]
fn t01_a_peer_that_never_reads_stops_the_sender() {
    let message = vec![0; 1 << 20];
    let limit = Config::default().max_outgoing;
    let ((), usage) = measure(|| {
        block_on(async {
            let (_client, mut server) = pair().await;
            let mut sent = 0;
            while let Some(result) = once(server.send(&message[..])).await {
                result.unwrap();
                sent += 1;
                assert!(sent < 10, "no end to what is queued");
            }
            assert!(server.buffered_amount() <= limit + message.len() + 64);
            // Another connection of the thread goes on.
            let (mut client, server) = pair().await;
            let talk = async {
                client.send("hello").await.unwrap();
                assert_eq!(text(client.next().await), "hello");
                client.close(CloseCode::NORMAL, "").await.unwrap();
            };
            join(talk, echo(server)).await.1.unwrap();
        });
    });
    assert!(
        usage.peak <= limit + message.len() + 256 * 1024,
        "{} bytes",
        usage.peak
    );
}

#[test]
fn t02_a_slow_reader_causes_no_busy_loop() {
    block_on(async {
        let (here, there) = pipe(256);
        let (mut client, mut server) = pair_over(here, there, Config::default()).await;
        let (count, waker) = Count::new();
        let mut cx = Context::from_waker(&waker);
        server.start_send(vec![1; 1000]).unwrap();
        assert!(server.poll_flush(&mut cx).is_pending());
        // One byte at a time; the frame has a header of four.
        let mut idle = Context::from_waker(Waker::noop());
        let mut reads = 0;
        while let Poll::Ready(Ok(1)) = client.get_mut().get_mut().read(&mut idle, &mut [0]) {
            reads += 1;
            let _ = server.poll_flush(&mut cx);
        }
        assert_eq!(reads, 1004);
        assert!(count.woken() <= reads + 10, "{} wakeups", count.woken());
    });
}

#[test]
fn t03_a_reset_is_reported_once() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        // In the middle of a frame.
        client.get_mut().get_mut().put_all(&[0x81, 0x85, 0]);
        assert!(once(server.next()).await.is_none());
        let pipe = client.get_ref().get_ref();
        pipe.break_with(ErrorKind::ConnectionReset);
        let error = server.next().await.unwrap().unwrap_err();
        assert!(matches!(&error, Error::Io(error) if error.kind() == ErrorKind::ConnectionReset));
        assert_eq!(error.close_code(), Some(1006));
        assert!(server.next().await.is_none());
        let refused = server.send("no more").await.unwrap_err();
        assert!(matches!(refused, Error::Send(SendError::Closing)));
        assert_eq!(
            std::io::Error::from(refused).to_string(),
            "the connection is closing"
        );
        assert_eq!(
            std::io::Error::from(error).kind(),
            ErrorKind::ConnectionReset
        );
    });
}

#[test]
fn t03_a_reset_while_writing_is_reported_once() {
    block_on(async {
        let (client, mut server) = pair().await;
        server.start_send(vec![0; 100_000]).unwrap();
        assert!(once(server.flush()).await.is_none());
        let pipe = client.get_ref().get_ref();
        pipe.break_with(ErrorKind::ConnectionReset);
        let error = server.flush().await.unwrap_err();
        assert!(matches!(&error, Error::Io(error) if error.kind() == ErrorKind::ConnectionReset));
        assert!(server.next().await.is_none());
        let lost = server.flush().await;
        assert!(matches!(lost, Err(Error::Send(SendError::Closing))));
    });
}

#[test]
fn t03_an_end_within_a_frame_is_reported_once() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        let pipe = client.get_mut().get_mut();
        pipe.put_all(&[0x81, 0x85, 0, 0, 0, 0, b'h']);
        pipe.end();
        let error = server.next().await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Ended(Reason::Eof)));
        assert_eq!(error.close_code(), Some(1006));
        assert!(server.next().await.is_none());
    });
}

#[test]
fn t03_an_end_after_a_close_has_the_code_of_the_close() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        let pipe = client.get_mut().get_mut();
        pipe.put_all(&[0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa0]);
        pipe.end();
        assert!(server.next().await.is_none());
        assert_eq!(server.close_reason().unwrap().code(), 4000);
        assert!(server.next().await.is_none());
    });
}

/// A socket that is closed with unread input resets the connection.
#[test]
fn t03_a_reset_over_tcp_frees_the_socket() {
    use std::io::{Read, Write};

    block_on(async {
        let (listener, address) = bind().await;
        let (stop, stopped) = oneshot();
        let serving = spawn(async move {
            let handler = |mut websocket: WebSocket<_>| async move {
                websocket.send("unread").await.unwrap();
                let error = websocket.next().await.unwrap().unwrap_err();
                assert_eq!(error.close_code(), Some(1006), "{error}");
                assert!(websocket.next().await.is_none());
            };
            let server = Server::new(Origins::Any);
            server.serve(listener, stopped, handler).await
        });
        let (done, waited) = oneshot();
        let thread = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            stream.write_all(request.as_bytes()).unwrap();
            stream.write_all(&[0x81, 0x85, 0]).unwrap();
            // The answer has come, and more with it or behind it.
            stream.read_exact(&mut [0; 16]).unwrap();
            drop(stream);
            done();
        });
        waited.await;
        thread.join().unwrap();
        stop();
        // The task is over, and its socket is closed.
        assert_eq!(serving.await.dropped, 0);
    });
}

#[test]
fn t06_any_chunking_gives_the_same_messages() {
    for chunk in [1, 2, 3, 7, 64, usize::MAX] {
        for (reluctant, interrupted) in [(false, false), (true, false), (false, true), (true, true)]
        {
            block_on(async {
                let (mut here, mut there) = pipe(512);
                for pipe in [&mut here, &mut there] {
                    pipe.chunk = chunk;
                    pipe.reluctant = reluctant;
                    pipe.interrupted = interrupted;
                }
                let (mut client, mut server) = pair_over(here, there, Config::default()).await;
                let send = async {
                    for n in 0..200 {
                        client.send("x".repeat(n)).await.unwrap();
                    }
                    client.flush().await.unwrap();
                };
                let receive = async {
                    for n in 0..200 {
                        assert_eq!(text(server.next().await).len(), n);
                    }
                };
                join(send, receive).await;
            });
        }
    }
}

#[test]
fn t07_a_write_of_nothing_is_an_error() {
    block_on(async {
        let (mut client, _server) = pair().await;
        client.get_mut().get_mut().chunk = 0;
        let result = match client.send("hello").await {
            Ok(()) => client.flush().await,
            result => result,
        };
        assert!(matches!(result, Err(Error::WriteZero)), "{result:?}");
        assert!(client.next().await.is_none());
    });
}

/// Large payloads are written from where they are, next to their headers.
#[test]
fn t07_a_write_may_end_within_a_header_or_between_slices() {
    for chunk in 1..20 {
        block_on(async {
            let (here, mut there) = pipe(1 << 20);
            there.chunk = chunk;
            let (mut client, mut server) = pair_over(here, there, Config::default()).await;
            for n in 0..20 {
                server.start_send(vec![n; 5000]).unwrap();
                server.start_send("between").unwrap();
            }
            server.flush().await.unwrap();
            for n in 0..20 {
                let message = client.next().await.unwrap().unwrap();
                assert_eq!(message.as_bytes(), [n; 5000]);
                assert_eq!(text(client.next().await), "between");
            }
        });
    }
}

#[test]
fn t11_spurious_wakeups_bring_nothing() {
    block_on(async {
        let mut config = Config::default();
        config.keepalive = None;
        let (here, there) = pipe(4096);
        let (client, mut server) = pair_over(here, there, config).await;
        // The thread's buffers.
        assert!(once(server.next()).await.is_none());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(server.poll_next(&mut cx).is_pending());
        let ((), usage) = measure(|| {
            for _ in 0..1_000_000 {
                assert!(server.poll_next(&mut cx).is_pending());
                // The pipe keeps every waker it is given.
                client.get_ref().get_ref().forget_wakers();
            }
        });
        assert_eq!(usage.allocations, 0);
        assert_eq!(server.connection().stats().frames_in, 0);
    });
}

#[test]
fn t20_every_send_is_a_write_of_its_own() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        let before = client.get_ref().get_ref().written.len();
        for _ in 0..10 {
            client.send("x").await.unwrap();
        }
        // A frame of one byte, and its header with a key.
        assert_eq!(client.get_ref().get_ref().written[before..], [7; 10]);
        // Replies to what one read brought are one write.
        let before = server.get_ref().get_ref().written.len();
        let echo = server.for_each(|connection, message| {
            let _ = connection.send(message);
        });
        assert!(once(echo).await.is_none());
        assert_eq!(server.get_ref().get_ref().written[before..], [30]);
    });
}

#[test]
fn t20_no_socket_waits_for_more_to_send() {
    block_on(async {
        let (listener, address) = bind().await;
        let (stop, stopped) = oneshot();
        let serving = spawn(async move {
            let handler = |mut websocket: WebSocket<MaybeTls<Accepted>>| async move {
                let answer = is_nodelay(websocket.get_ref().get_ref().get_ref());
                let _ = websocket.send(answer.to_string()).await;
            };
            let server = Server::new(Origins::Any);
            server.serve(listener, stopped, handler).await
        });
        let mut client = connect(&format!("ws://{address}/")).await.unwrap();
        assert_eq!(client.get_ref().peer_addr(), Some(address));
        let stream: &TcpStream = client.get_ref().get_ref().get_ref();
        assert!(stream.nodelay().unwrap());
        assert_eq!(text(client.next().await), "true");
        drop(client);
        stop();
        serving.await;
    });
}

/// The server that is connected to, in the words of its own.
async fn serve_once(
    connect: impl FnOnce(SocketAddr) -> Connect,
) -> (String, String, WebSocket<MaybeTls<TcpStream>>) {
    let (listener, address) = bind().await;
    let (stop, stopped) = oneshot();
    let serving = spawn(async move {
        let handler = |mut websocket: WebSocket<MaybeTls<Accepted>>| async move {
            let known = websocket.get_ref();
            let host = known.request().unwrap().host().to_owned();
            let peer = known.peer_addr().unwrap().ip().to_string();
            let _ = websocket.send(host).await;
            let _ = websocket.send(peer).await;
        };
        let server = Server::new(Origins::Any);
        server.serve(listener, stopped, handler).await
    });
    let mut client = connect(address).open().await.unwrap();
    assert_eq!(client.get_ref().peer_addr(), Some(address));
    let host = text(client.next().await);
    let peer = text(client.next().await);
    stop();
    serving.await;
    (host, peer, client)
}

#[test]
fn options_of_tcp_are_set_before_it_connects() {
    block_on(async {
        let mut tcp = TcpOptions::default();
        tcp.nodelay = false;
        tcp.keepalive = Some(Duration::from_secs(77));
        tcp.send_buffer = Some(40_000);
        tcp.receive_buffer = Some(50_000);
        // Linux has all of 127.0.0.0/8.
        let ip = if cfg!(target_os = "linux") {
            "127.0.0.5"
        } else {
            "127.0.0.1"
        };
        tcp.local_addr = Some(SocketAddr::new(ip.parse().unwrap(), 0));
        let connect = |address| Connect::new(&format!("ws://{address}/")).unwrap().tcp(tcp);
        let (_, peer, client) = serve_once(connect).await;
        assert_eq!(peer, ip);
        let socket = SockRef::from(client.get_ref().get_ref().get_ref());
        assert!(!socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        // Some systems give more than they are asked for.
        assert!((40_000..=100_000).contains(&socket.send_buffer_size().unwrap()));
        assert!((50_000..=120_000).contains(&socket.recv_buffer_size().unwrap()));
        #[cfg(target_os = "linux")]
        assert_eq!(
            socket.tcp_keepalive_time().unwrap(),
            Duration::from_secs(77)
        );
    });
}

#[test]
fn every_address_is_tried_and_no_name_resolved_where_they_are_given() {
    block_on(async {
        let (closed, refusing) = bind().await;
        drop(closed);
        let nowhere = || Connect::new("ws://nowhere.invalid:81/").unwrap();
        let connect = |address| nowhere().addresses([refusing, address]);
        let (host, ..) = serve_once(connect).await;
        assert_eq!(host, "nowhere.invalid:81");
        let refused = nowhere().addresses([refusing]).open().await;
        let Err(ConnectError::Io(error)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

        // An address that cannot be connected from fails as well.
        let mut tcp = TcpOptions::default();
        tcp.local_addr = Some("192.0.2.1:0".parse().unwrap());
        let failed = nowhere().addresses([refusing]).tcp(tcp).open().await;
        let Err(ConnectError::Io(error)) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    });
}

#[test]
fn t21_endless_input_leaves_a_turn_to_others() {
    block_on(async {
        let (here, there) = pipe(1 << 20);
        let (mut client, mut server) = pair_over(here, there, Config::default()).await;
        for _ in 0..100_000 {
            client.start_send("x").unwrap();
        }
        client.flush().await.unwrap();
        let mut seen = 0;
        let (count, waker) = Count::new();
        let mut each = Box::pin(server.for_each(|_, _| seen += 1));
        let mut cx = Context::from_waker(&waker);
        assert!(each.as_mut().poll(&mut cx).is_pending());
        drop(each);
        assert!(count.woken() > 0, "there is more");
        assert_eq!(seen, 64, "messages in one poll");
    });
}

/// Neither a message that does not end, nor what comes after the end, keeps a
/// task to itself.
#[test]
fn t21_input_without_messages_leaves_a_turn_to_others() {
    let fragments = [0x00, 0xfe, 0x03, 0xe8, 0, 0, 0, 0]
        .into_iter()
        .chain([b'x'; 1000]);
    let fragments: Vec<u8> = fragments.cycle().take(1008 * 1000).collect();
    for first in [&[0x01, 0x80, 0, 0, 0, 0][..], &[0x83]] {
        block_on(async {
            let (mut client, mut server) = pair().await;
            client.get_mut().get_mut().put_all(first);
            client.get_mut().get_mut().put_all(&fragments);
            let (count, waker) = Count::new();
            let mut cx = Context::from_waker(&waker);
            assert!(server.poll_next(&mut cx).is_pending());
            assert!(count.woken() > 0, "there is more");
            let left = client.get_ref().get_ref().unread_there();
            let taken = first.len() + fragments.len() - left;
            assert!(taken <= 128 * 1024, "{taken} bytes in one poll");
        });
    }
}

#[test]
fn t24_a_stream_may_look_at_what_it_reads_into() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        server.get_mut().get_mut().curious = true;
        let send = async {
            client.send(vec![1; 200_000]).await.unwrap();
            client.flush().await.unwrap();
        };
        let receive = async {
            let message = server.next().await.unwrap().unwrap();
            assert_eq!(message.as_bytes(), [1; 200_000]);
        };
        join(send, receive).await;
    });
}

#[test]
fn a_stream_that_is_written_to_by_hand_reads_what_was_written() {
    block_on(async {
        let (mut here, mut there) = pipe(16);
        let written = poll_fn(|cx| here.write(cx, &[b"hel", b"lo"])).await;
        assert_eq!(written.unwrap(), 5);
        assert_eq!(there.take_all(), b"hello");
        drop(here);
        assert!(there.is_over());
    });
}
