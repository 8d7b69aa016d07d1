//! What the driver does when time passes. The transport's timer keeps an earlier
//! deadline, so each of these meets one that fires too early as well.

use std::time::Duration;

use sockeye::Instant;
use sockeye::driver::Error;
use sockeye::websocket::{CloseCode, Config, Keepalive, Reason, Timer, Violation};
use sockeye_tests::trace::Side;
use sockeye_tests::transport::{Call, Fault, Gate, World};
use sockeye_tests::wire::{self, Frame};

use crate::scenarios::{
    CLOSE, PING, Socket, TEXT, binary, client, close_of_client, open, open_with, server,
};

const PONG: u8 = 0x8a;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn after(n: u64) -> Instant {
    Instant::ZERO.after(seconds(n))
}

/// The end, which has to be this and nothing else.
fn ends(world: &World, socket: &mut Socket, reason: &Reason<'static>) {
    let end = world.run(async || socket.next().await);
    assert!(
        matches!(&end, Some(Err(Error::Ended(why))) if why == reason),
        "{end:?}"
    );
    assert!(world.run(async || socket.next().await).is_none());
    assert_eq!(socket.close_reason(), Some(reason));
}

/// A keepalive ping's payload is a count.
fn ping(count: u64) -> Vec<u8> {
    server(PING, count.to_be_bytes())
}

fn pong(count: u64) -> Vec<u8> {
    client(PONG, count.to_be_bytes())
}

#[test]
fn a_silent_peer_is_pinged_and_given_up() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    ends(&world, &mut socket, &Reason::Timeout(Timer::Pong));
    // The ping was written and flushed when it was due, and so was the Close.
    assert_eq!(world.now(), after(40));
    let close = server(CLOSE, [3, 243]);
    assert_eq!(world.received(), [ping(1), close].concat());
    assert!(world.is_shut_down());
}

#[test]
fn a_peer_that_answers_is_pinged_again() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    for n in 1..4 {
        world.input_at(Gate::Received(10 * n), &pong(n as u64));
    }
    ends(&world, &mut socket, &Reason::Timeout(Timer::Pong));
    assert_eq!(world.now(), after(100));
    let pings: Vec<Vec<u8>> = (1..5).map(ping).collect();
    let close = server(CLOSE, [3, 243]);
    assert_eq!(world.received(), [pings.concat(), close].concat());
}

/// Whatever is delayed on the way, as long as time stands still meanwhile.
#[test]
fn t06_a_ping_is_sent_through_any_delay() {
    for step in 0..40 {
        let world = World::new();
        let mut socket = open(&world, Side::Server);
        world.input_at(Gate::Received(10), &pong(1));
        world.plan(move |n, _| match n == step {
            true => Fault::Pending,
            false => Fault::None,
        });
        ends(&world, &mut socket, &Reason::Timeout(Timer::Pong));
        let close = server(CLOSE, [3, 243]);
        let expected = [ping(1), ping(2), close].concat();
        assert_eq!(world.received(), expected, "step {step}");
    }
}

#[test]
fn a_deadline_that_fires_early_does_nothing() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    let mut early = 5;
    world.plan(move |_, call| match call {
        Call::Deadline if early > 0 => {
            early -= 1;
            Fault::Nothing
        }
        _ => Fault::None,
    });
    let next = world.poll(Box::pin(socket.next()).as_mut());
    assert!(next.is_pending());
    assert!(world.received().is_empty());
    assert_eq!(world.count(Call::Deadline), 6);
    ends(&world, &mut socket, &Reason::Timeout(Timer::Pong));
    assert_eq!(world.now(), after(40));
}

#[test]
fn data_moves_the_deadline_without_setting_the_timer_anew() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    for n in 0..5 {
        world.input(&client(TEXT, "x"));
        assert!(world.run(async || socket.next().await).is_some());
        world.pass(seconds(n));
        assert!(world.received().is_empty());
    }
    // The last message came at 6 s.
    ends(&world, &mut socket, &Reason::Timeout(Timer::Pong));
    assert_eq!(world.now(), after(46));
}

#[test]
fn a_message_that_begins_while_all_is_quiet_brings_its_own_deadline() {
    let world = World::new();
    let mut config = Config::default();
    config.message_timeout = Some(seconds(3));
    let mut socket = open_with(&world, Side::Server, config);
    let next = world.poll(Box::pin(socket.next()).as_mut());
    assert!(next.is_pending(), "the timer is set to the keepalive");
    world.pass(seconds(1));
    world.input(&Frame::m0(0x01, "beg").bytes());
    let slow = Reason::Violation(Violation::MessageTooSlow);
    world.eof_at(Gate::ShutDown);
    ends(&world, &mut socket, &slow);
    assert_eq!(world.now(), after(4));
}

#[test]
fn a_close_that_is_not_answered_has_a_deadline() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    world.pass(seconds(1));
    let code = CloseCode::NORMAL;
    let closed = world.run(async || socket.close(code, "").await);
    let late = Reason::Timeout(Timer::Close);
    assert!(matches!(closed, Err(Error::Ended(reason)) if reason == late));
    assert_eq!(world.now(), after(6));
    assert!(world.run(async || socket.close(code, "").await).is_ok());
}

#[test]
fn an_end_that_the_peer_does_not_see_has_a_deadline() {
    // It neither reads our Close, nor ends its output.
    for room in [0, usize::MAX] {
        let world = World::new();
        let mut socket = open(&world, Side::Server);
        world.bound(room, 0);
        world.input(&close_of_client());
        assert!(world.run(async || socket.next().await).is_none());
        assert_eq!(world.now(), after(5));
    }
    // Nor does the transport let itself be flushed, or shut down.
    for stuck in [Call::Flush, Call::Shutdown] {
        let world = World::new();
        let mut socket = open(&world, Side::Server);
        world.plan(move |_, call| match call == stuck {
            true => Fault::Never,
            false => Fault::None,
        });
        world.input(&close_of_client());
        assert!(world.run(async || socket.next().await).is_none());
        assert_eq!(world.now(), after(5), "{stuck:?}");
    }
}

#[test]
fn a_write_that_is_not_taken_has_a_deadline() {
    let stalled = Reason::Timeout(Timer::Stalled);
    let mut config = Config::default();
    config.keepalive = None;
    config.max_outgoing = 100;
    for reads in [true, false] {
        let world = World::new();
        let mut socket = open_with(&world, Side::Server, config.clone());
        world.bound(0, 0);
        socket.start_send(binary(100)).unwrap();
        if reads {
            ends(&world, &mut socket, &stalled);
        } else {
            // A sender that waits for room does not wait for ever.
            let sent = world.run(async || socket.send("x").await);
            assert!(sent.is_err(), "{sent:?}");
            ends(&world, &mut socket, &stalled);
        }
        assert_eq!(world.now(), after(30));
    }
}

#[test]
fn a_peer_whose_input_is_left_alone_is_not_judged_silent() {
    let world = World::new();
    let mut config = Config::default();
    config.max_outgoing = 100;
    config.keepalive = Some(Keepalive {
        interval: seconds(1),
        timeout: seconds(1),
    });
    let mut socket = open_with(&world, Side::Server, config);
    world.bound(0, 0);
    world.input(&[client(TEXT, "a"), client(TEXT, "b")].concat());
    let mut seen = 0;
    let end = world.run(async || {
        let each = socket.for_each(|connection, _| {
            seen += 1;
            connection.send(binary(100)).unwrap();
        });
        each.await
    });
    let stalled = Reason::Timeout(Timer::Stalled);
    assert!(matches!(end, Err(Error::Ended(reason)) if reason == stalled));
    assert_eq!((seen, world.now()), (1, after(30)));
}

#[test]
fn a_busy_handler_does_not_make_a_peer_silent() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    // The application does something else for an hour, and input waits.
    world.pass(seconds(3600));
    world.input(&client(TEXT, "x"));
    world.input(&close_of_client());
    world.eof();
    assert!(world.run(async || socket.next().await).is_some());
    assert!(world.run(async || socket.next().await).is_none());
    assert_eq!(wire::frames(&world.received()).len(), 1);
}

#[test]
fn a_server_that_goes_away_says_so() {
    for early in [true, false] {
        let world = World::new();
        let mut socket = open(&world, Side::Server);
        if early {
            world.go_away();
        }
        world.input_at(Gate::Received(4), &client(TEXT, "late"));
        world.input_at(Gate::Received(4), &client(CLOSE, [3, 233]));
        world.eof_at(Gate::ShutDown);
        {
            let mut next = Box::pin(socket.next());
            let poll = world.poll(next.as_mut());
            assert_eq!(poll.is_ready(), early);
        }
        if !early {
            world.go_away();
            let next = world.run(async || socket.next().await);
            assert!(matches!(next, Some(Ok(_))));
        }
        assert!(world.run(async || socket.next().await).is_none());
        assert_eq!(world.received(), server(CLOSE, [3, 233]));
        assert_eq!(socket.close_reason().unwrap().code(), 1001);
    }
}

#[test]
fn a_task_that_waits_is_woken_to_go_away() {
    let world = World::new();
    let mut socket = open(&world, Side::Server);
    let leaver = world.clone();
    world.input_at(Gate::Received(4), &client(CLOSE, [3, 233]));
    world.eof_at(Gate::ShutDown);
    world.run_all(vec![
        Box::pin(async move { assert!(socket.next().await.is_none()) }),
        Box::pin(async move { leaver.go_away() }),
    ]);
    assert_eq!(world.now(), Instant::ZERO);
}
