//! T12 and T13: the halves of a WebSocket.

use sockeye::websocket::{CloseCode, Config, SendError};

use super::kit::{echo, once, pair, pair_over, panics, step, text};
use super::pipe::pipe;
use crate::runtime::{block_on, spawn, threads};

#[test]
fn t12_halves_work_from_two_tasks() {
    block_on(async {
        let (client, server) = pair().await;
        let server = spawn(async move { echo(server).await.is_ok() });
        let (sender, mut receiver) = client.split();
        let sending = spawn(async move {
            for n in 0..1000 {
                sender.send(n.to_string()).await.unwrap();
            }
            sender.flush().await.unwrap();
            sender
        });
        for n in 0..1000 {
            assert_eq!(text(receiver.next().await), n.to_string());
        }
        let sender = sending.await;
        let closing = spawn(async move { sender.close(CloseCode::NORMAL, "").await.is_ok() });
        assert!(receiver.next().await.is_none());
        assert!(receiver.close_reason().unwrap().is_clean());
        assert!(closing.await);
        assert!(server.await);
    });
}

#[test]
fn t12_a_dropped_receiver_closes_the_transport() {
    block_on(async {
        let (client, mut server) = pair().await;
        let (sender, receiver) = client.split();
        let waiting = spawn({
            let sender = sender.clone();
            async move { sender.closed().await }
        });
        step().await;
        drop(receiver);
        waiting.await;
        assert!(sender.is_closed());
        assert_eq!(sender.send("late").await, Err(SendError::Closing));
        assert_eq!(sender.ping(b"late"), Err(SendError::Closing));
        sender.flush().await.expect("nothing was left");
        sender.close(CloseCode::NORMAL, "").await.unwrap();
        // A Close went out, since that could be written at once.
        assert!(server.next().await.is_none());
        assert_eq!(server.close_reason().unwrap().code(), 1001);
    });
}

#[test]
fn t12_a_receiver_dropped_while_senders_wait_frees_them() {
    block_on(async {
        let mut config = Config::default();
        config.max_outgoing = 100;
        let (here, there) = pipe(64);
        let (client, _server) = pair_over(here, there, config).await;
        let (sender, receiver) = client.split();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let sender = sender.clone();
                spawn(async move {
                    loop {
                        // There is room at first, and then nobody reads.
                        if let Err(error) = sender.send(vec![0; 100]).await {
                            break error;
                        }
                    }
                })
            })
            .collect();
        while sender.buffered_amount() < 100 {
            step().await;
        }
        drop(receiver);
        for waiting in waiting {
            assert_eq!(waiting.await, SendError::Closing);
        }
        assert_eq!(sender.flush().await, Err(SendError::Closing));
    });
}

#[test]
fn t12_a_receiver_needs_no_sender() {
    block_on(async {
        let (client, mut server) = pair().await;
        let (sender, mut receiver) = client.split();
        drop(sender);
        server.send("hello").await.unwrap();
        assert_eq!(text(receiver.next().await), "hello");
        let sender = receiver.sender();
        sender.send("and back").await.unwrap();
        assert_eq!(text(server.next().await), "and back");
    });
}

#[test]
fn t12_a_handler_may_use_a_sender() {
    block_on(async {
        let (mut client, server) = pair().await;
        let (sender, mut receiver) = server.split();
        let serving = spawn(async move {
            let each = receiver.for_each(|connection, message| {
                let said = message.as_text().unwrap().to_owned();
                sender.try_send(format!("queued {said}")).unwrap();
                connection.send(format!("sent {said}")).unwrap();
                if said == "9" {
                    sender.start_close(CloseCode::NORMAL, "").unwrap();
                }
            });
            each.await.is_ok()
        });
        for n in 0..10 {
            client.send(n.to_string()).await.unwrap();
        }
        let mut queued = Vec::new();
        let mut sent = Vec::new();
        while let Some(message) = client.next().await {
            let message = message.unwrap();
            match message.as_text().unwrap().split_once(' ').unwrap() {
                ("queued", n) => queued.push(n.to_owned()),
                (_, n) => sent.push(n.to_owned()),
            }
        }
        let all: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!((queued, sent), (all.clone(), all));
        assert!(client.close_reason().unwrap().is_clean());
        assert!(serving.await);
    });
}

/// Each thread's messages arrive in the order in which it sent them, and none
/// is lost, whoever holds the socket.
#[test]
fn t12_many_threads_may_send() {
    const THREADS: usize = 8;
    const EACH: usize = 500;
    threads(async {
        let mut config = Config::default();
        // So little room that senders wait for each other all the time.
        config.max_outgoing = 256;
        let (here, there) = pipe(512);
        let (client, mut server) = pair_over(here, there, config).await;
        let (sender, mut receiver) = client.split();
        let sending: Vec<_> = (0..THREADS)
            .map(|thread| {
                let sender = sender.clone();
                let work = async move {
                    for n in 0..EACH {
                        sender.send(format!("{thread} {n}")).await.unwrap();
                        if n % 50 == 0 {
                            sender.flush().await.unwrap();
                        }
                    }
                };
                std::thread::spawn(|| block_on(work))
            })
            .collect();
        let receiving = spawn(async move {
            let mut next = [0; THREADS];
            for _ in 0..THREADS * EACH {
                let said = text(server.next().await);
                let (thread, n) = said.split_once(' ').unwrap();
                let next = &mut next[thread.parse::<usize>().unwrap()];
                assert_eq!(n.parse(), Ok(*next));
                *next += 1;
            }
            server.send("got them all").await.unwrap();
            server
        });
        assert_eq!(text(receiver.next().await), "got them all");
        for sending in sending {
            sending.join().unwrap();
        }
        let mut server = receiving.await;
        let closing = spawn(async move { server.close(CloseCode::NORMAL, "").await.is_ok() });
        assert!(receiver.next().await.is_none());
        sender.closed().await;
        assert!(closing.await);
    });
}

/// A thread that belongs to no runtime, while the transport takes nothing.
#[test]
fn t12_a_sender_works_outside_the_runtime() {
    block_on(async {
        let (here, there) = pipe(64);
        let (client, mut server) = pair_over(here, there, Config::default()).await;
        let (sender, _receiver) = client.split();
        let outside = std::thread::spawn(move || {
            for _ in 0..10 {
                sender.try_send("x".repeat(100)).unwrap();
            }
            sender
        });
        let sender = outside.join().unwrap();
        let flushing = spawn(async move { sender.flush().await.is_ok() });
        for _ in 0..10 {
            assert_eq!(text(server.next().await).len(), 100);
        }
        assert!(flushing.await);
    });
}

#[test]
fn t13_a_sender_alone_still_writes() {
    block_on(async {
        let (here, there) = pipe(256);
        let (client, mut server) = pair_over(here, there, Config::default()).await;
        // Nobody polls the receiver.
        let (sender, _receiver) = client.split();
        let sending = spawn(async move {
            for n in 0..100 {
                sender.send(n.to_string()).await.unwrap();
            }
            sender.flush().await.unwrap();
        });
        for n in 0..100 {
            assert_eq!(text(server.next().await), n.to_string());
        }
        sending.await;
    });
}

#[test]
fn t13_pings_are_not_seen_while_only_sending() {
    block_on(async {
        let (mut client, server) = pair().await;
        let (sender, mut receiver) = server.split();
        client.ping(b"").await.unwrap();
        sender.send("hello").await.unwrap();
        sender.flush().await.unwrap();
        let pipe = client.get_mut().get_mut();
        assert_eq!(pipe.take_all(), b"\x81\x05hello");
        assert!(once(receiver.next()).await.is_none());
        let pipe = client.get_mut().get_mut();
        assert_eq!(pipe.take_all(), b"\x8a\x00");
    });
}

#[test]
fn t13_sending_and_flushing_write_a_pong_a_ping_and_a_close_that_wait() {
    block_on(async {
        // Nothing fits while these four bytes are not read.
        let (here, there) = pipe(129);
        let (mut client, mut server) = pair_over(here, there, Config::default()).await;
        let full = |server: &mut crate::runtime::adapter::WebSocket<super::pipe::Pipe>| {
            server.get_mut().get_mut().put_all(&[0; 129]);
        };
        full(&mut server);
        client.ping(b"p").await.unwrap();
        assert!(once(server.next()).await.is_none());
        // The pong waits.
        client.get_mut().get_mut().take_all();
        server.send("hello").await.unwrap();
        let written = client.get_mut().get_mut().take_all();
        assert_eq!(written, b"\x8a\x01p\x81\x05hello");

        full(&mut server);
        server.ping(b"q").await.unwrap();
        assert!(once(server.flush()).await.is_none());
        client.get_mut().get_mut().take_all();
        server.flush().await.unwrap();
        assert_eq!(client.get_mut().get_mut().take_all(), b"\x89\x01q");

        full(&mut server);
        let connection = server.connection_mut();
        connection.close(CloseCode::NORMAL, "").unwrap();
        assert!(once(server.flush()).await.is_none());
        client.get_mut().get_mut().take_all();
        server.flush().await.unwrap();
        assert_eq!(client.get_mut().get_mut().take_all(), b"\x88\x02\x03\xe8");
    });
}

#[test]
fn t14_a_handler_that_panics_ends_its_connection() {
    block_on(async {
        let (mut client, mut server) = pair().await;
        let bytes = b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b";
        client.get_mut().get_mut().put_all(bytes);
        let panicking = server.for_each(|_, _| panic!("as asked for"));
        assert!(panics(panicking).await);
        // The rest of the input went with the panic.
        client.send("c").await.unwrap();
        assert!(server.next().await.is_none());
        assert!(server.send("no more").await.is_err());
        server.flush().await.unwrap();
    });
}

#[test]
fn t14_a_handler_that_panics_ends_both_halves() {
    block_on(async {
        let (mut client, server) = pair().await;
        let (sender, mut receiver) = server.split();
        client.send("hello").await.unwrap();
        let panicking = receiver.for_each(|_, _| panic!("as asked for"));
        assert!(panics(panicking).await);
        assert_eq!(sender.send("late").await, Err(SendError::Closing));
        assert!(receiver.next().await.is_none());
        sender.closed().await;
        // The transport is gone.
        assert!(client.next().await.unwrap().is_err());
    });
}
