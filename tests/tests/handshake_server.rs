//! The server's side of the opening handshake: rows H of the rules.
//!
//! The table holds what bytes alone can say. Here is what takes time, storage,
//! or an application that makes mistakes.

use core::time::Duration;
use std::sync::Arc;

use proptest::prelude::*;
use sockeye::websocket::handshake::{
    FieldError, Limits, Lost, Origins, Rejection, Response, ResponseError, ServerEvent,
    ServerHandshake, ServerOptions, accept_key, client_key,
};
use sockeye::websocket::{Config, Message, Violation};
use sockeye::{Instant, Progress};
use sockeye_tests::alloc::{Counting, measure};
use sockeye_tests::handshake::{
    Answer, Outcome, REQUEST, ServerVector, answered, answers, head, serve,
};
use sockeye_tests::hex::hex;
use sockeye_tests::trace::{Bench, Side};
use sockeye_tests::vectors;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn every_request_gets_its_answer() {
    for vector in vectors::load::<ServerVector>("handshake_server") {
        vector.check();
    }
}

fn server() -> ServerHandshake {
    ServerHandshake::new(ServerOptions::new(Origins::Any), Instant::ZERO)
}

/// A server that takes heads of any size.
fn patient_server() -> ServerHandshake {
    let mut options = ServerOptions::new(Origins::Any);
    options.limits.head = usize::MAX;
    ServerHandshake::new(options, Instant::ZERO)
}

/// The request that is as it should be, with these lines more.
fn request(more: &[&str]) -> Vec<u8> {
    head(REQUEST.iter().chain(more))
}

/// A server whose application has to decide, having been offered `a`.
fn deciding() -> ServerHandshake {
    let mut handshake = server();
    let mut input = request(&["Sec-WebSocket-Protocol: a"]);
    let Progress { event, rest } = handshake.handle_input(Instant::ZERO, &mut input);
    assert_eq!((event, rest.len()), (Some(ServerEvent::Request), 0));
    handshake
}

/// Gives a head at once, with no answer of the application.
fn give(handshake: &mut ServerHandshake, input: &[u8]) -> Outcome {
    serve(handshake, &[input], |_| {})
}

fn seconds(seconds: u64) -> Instant {
    Instant::ZERO.after(Duration::from_secs(seconds))
}

fn only_answer(output: &[u8]) -> Answer {
    let mut answers = answers(output);
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

#[test]
fn h01_an_answer_to_head_has_no_content() {
    let mut lines = REQUEST;
    lines[0] = "HEAD /ws HTTP/1.1";
    let many = ["X: y"; 100];
    for input in [head(lines), head(lines.iter().chain(&many))] {
        for size in [1, input.len()] {
            let chunks: Vec<_> = input.chunks(size).collect();
            let outcome = serve(&mut server(), &chunks, |_| {});
            let answer = only_answer(&outcome.output);
            assert!([405, 431].contains(&answer.status));
            assert_eq!(answer.value("Content-Length"), Some("0"));
            answer.check_refusal();
        }
    }
}

#[test]
fn a_path_that_is_not_served_is_not_found() {
    let mut options = ServerOptions::new(Origins::Any);
    options.paths = vec!["/ws".into(), "/".into()];
    for (target, event) in [
        ("/ws", "Request"),
        ("/ws?a", "Request"),
        ("http://h/ws", "Request"),
        ("http://h", "Request"),
        ("/?ws", "Request"),
        ("/ws/", "Failed(NotFound)"),
        ("/WS", "Failed(NotFound)"),
        ("/%77s", "Failed(NotFound)"),
        ("//ws", "Failed(NotFound)"),
        ("*", "Failed(Target)"),
    ] {
        let mut handshake = ServerHandshake::new(options.clone(), Instant::ZERO);
        let start = format!("GET {target} HTTP/1.1");
        let input = head([start.as_str()].iter().chain(&REQUEST[1..]));
        let outcome = give(&mut handshake, &input);
        assert_eq!(outcome.events, [event], "{target}");
    }
    // Nor is it found by those who ask for no WebSocket.
    for (lines, status) in [
        (&["GET /other HTTP/1.1", "Host: h"][..], 404),
        (&["GET /other HTTP/1.1"], 400),
        (&["GET /ws HTTP/1.1", "Host: h"], 426),
    ] {
        let mut handshake = ServerHandshake::new(options.clone(), Instant::ZERO);
        let outcome = give(&mut handshake, &head(lines));
        let answer = only_answer(&outcome.output);
        assert_eq!(answer.status, status);
        answer.check_refusal();
    }
}

#[test]
fn h15_the_first_64_subprotocols_are_kept() {
    let names: Vec<_> = (0..2000).map(|n| format!("p{n}")).collect();
    let offer = format!("Sec-WebSocket-Protocol: {}", names.join(", "));
    let mut handshake = server();
    give(&mut handshake, &request(&[&offer]));
    let kept: Vec<_> = handshake.request().unwrap().protocols().collect();
    assert_eq!(kept, names[..64]);
    let select = |name| handshake.request().unwrap().select_protocol(&[name]);
    assert_eq!((select("p63"), select("p64")), (Some("p63"), None));
    let refused = handshake.accept(&Response::new().protocol("p64"));
    assert_eq!(refused, Err(ResponseError::NotOffered));
}

/// At this size, whatever looks at bytes again for each byte never ends.
#[test]
fn h16_h17_h18_work_is_linear() {
    let size = 1 << 20;
    let spaces = format!("Sec-WebSocket-Protocol: b{}x", " ".repeat(size));
    let backslashes = format!(
        "Sec-WebSocket-Extensions: a; b=\"{}\"",
        "\\c".repeat(size / 2)
    );
    let commas = format!("Sec-WebSocket-Extensions: {}", " ,".repeat(size / 2));
    let params = format!("Sec-WebSocket-Extensions: a{}", "; b=1 ".repeat(size / 6));
    let offers = format!("Sec-WebSocket-Extensions: {}", "a; b , ".repeat(size / 7));
    let names = format!("Sec-WebSocket-Protocol: {}a", "a , ".repeat(64));
    let outer = format!("Upgrade: {} websocket", "\t".repeat(size));
    for (line, status) in [
        (spaces, 400),
        (backslashes, 0),
        (commas, 0),
        (params, 0),
        (offers, 0),
        (names, 400),
        (outer, 0),
    ] {
        let mut handshake = patient_server();
        let outcome = give(&mut handshake, &request(&[&line]));
        let answers = answers(&outcome.output);
        let found = answers.first().map_or(0, |answer| answer.status);
        assert_eq!(found, status, "{}", &line[..40]);
        if let Some(request) = handshake.request() {
            let params = request.extensions().map(|offer| offer.params().count());
            assert!(params.sum::<usize>() <= size / 6);
        }
    }
}

#[test]
fn h18_the_first_16_extensions_are_kept() {
    let offers: Vec<_> = (0..1000)
        .map(|n| format!("permessage-deflate; server_max_window_bits={n}"))
        .collect();
    let offer = format!("Sec-WebSocket-Extensions: {}", offers.join(", "));
    let mut handshake = patient_server();
    give(&mut handshake, &request(&[&offer]));
    let kept = handshake.request().unwrap().extensions();
    let bits = kept.flat_map(|offer| offer.params().filter_map(|param| param.value));
    let bits: Vec<_> = bits.map(|value| value.into_owned()).collect();
    let expected: Vec<_> = (0..16).map(|n: u32| n.to_string()).collect();
    assert_eq!(bits, expected);
}

#[test]
fn h19_h20_storage_follows_the_bytes() {
    let padding = format!("X: {}", "a".repeat(16_255));
    for (line, is_request) in [(padding.clone(), true), (padding + "a", false)] {
        let input = request(&[&line]);
        let chunks: Vec<_> = input.chunks(1).collect();
        let mut handshake = server();
        let ((), usage) = measure(|| {
            let mut byte = [0];
            for chunk in &chunks {
                byte.copy_from_slice(chunk);
                let _ = handshake.handle_input(Instant::ZERO, &mut byte);
            }
        });
        assert_eq!(handshake.request().is_some(), is_request);
        // Growth copies, so old and new are held for a moment.
        assert!(usage.peak <= 3 * input.len(), "{usage:?}");
        assert!(usage.bytes <= 5 * input.len(), "{usage:?}");
        if !is_request {
            assert!(usage.held <= 512, "{usage:?}");
        }
    }
}

#[test]
fn keys_are_made_on_the_stack() {
    let (key, usage) = measure(|| client_key(sockeye_tests::handshake::NONCE));
    assert_eq!(usage.allocations, 0);
    let (accept, usage) = measure(|| accept_key(&key));
    assert_eq!(usage.allocations, 0);
    assert_eq!(accept, sockeye_tests::handshake::ACCEPT.as_bytes());
}

/// The head, and the answer; then the head without what growth left unused.
#[test]
fn a_plain_handshake_is_three_allocations() {
    let options = Arc::new(ServerOptions::new(Origins::Any));
    let response = Response::new();
    let mut input = request(&[]);
    let (accepted, usage) = measure(|| {
        let mut handshake = ServerHandshake::new(options, Instant::ZERO);
        let _ = handshake.handle_input(Instant::ZERO, &mut input);
        handshake.accept(&response).unwrap();
        handshake.advance_transmit(usize::MAX);
        handshake.into_head().unwrap()
    });
    assert!(usage.allocations <= 3, "{usage:?}");
    assert!(usage.held <= input.len() as isize, "{usage:?}");
    assert_eq!(accepted.request().path(), "/ws");
}

#[test]
fn h30_the_first_message_comes_with_the_request() {
    let input = [request(&[]), hex("81 89 m0 'pipelined'")].concat();
    for cut in 0..input.len() {
        let (a, b) = input.split_at(cut);
        let outcome = serve(&mut server(), &[a, b], |handshake| {
            handshake.accept(&Response::new()).unwrap();
        });
        let mut bench = Bench::new(Side::Server, Config::default());
        bench.feed(&outcome.rest);
        assert_eq!(bench.trace.messages(), [Message::from("pipelined")]);
    }
}

#[test]
fn h31_a_second_request_is_no_frame() {
    let input = [request(&[]), b"GET /admin HTTP/1.1\r\n\r\n".to_vec()].concat();
    let outcome = serve(&mut server(), &[&input], |handshake| {
        handshake.accept(&Response::new()).unwrap();
    });
    assert_eq!(only_answer(&outcome.output).status, 101);
    let mut bench = Bench::new(Side::Server, Config::default());
    bench.feed(&outcome.rest[..1]);
    assert_eq!(bench.trace.violation(), Some(Violation::ReservedBits));
    assert_eq!(bench.trace.close_sent(), Some(1002));
}

#[test]
fn h32_nothing_is_taken_while_the_application_decides() {
    let mut handshake = deciding();
    let mut input = vec![0x82; 1 << 20];
    let (given, usage) = measure(|| {
        let mut given = 0_u64;
        while given < 1 << 30 {
            let Progress { event, rest } = handshake.handle_input(Instant::ZERO, &mut input);
            assert_eq!((event, rest.len()), (None, 1 << 20));
            given += 1 << 20;
        }
        given
    });
    assert_eq!(given, 1 << 30);
    assert_eq!(usage.allocations, 0);
}

#[test]
fn h33_the_whole_request_has_ten_seconds() {
    let input = request(&[]);
    // By its own timer, and by a byte that comes too late.
    for is_byte in [false, true] {
        let mut handshake = server();
        for (second, byte) in [(0, 0), (9, 1)] {
            let mut byte = [input[byte]];
            let progress = handshake.handle_input(seconds(second), &mut byte);
            assert_eq!(progress.event, None);
            assert_eq!(handshake.poll_timeout(), Some(seconds(10)));
            assert_eq!(handshake.handle_timeout(seconds(second)), None);
        }
        let event = match is_byte {
            true => handshake.handle_input(seconds(10), &mut [b'T']).event,
            false => handshake.handle_timeout(seconds(10)),
        };
        assert_eq!(event, Some(ServerEvent::Lost(Lost::Timeout)));
        assert_eq!(handshake.poll_timeout(), None);
        let answer = only_answer(&answered(&mut handshake));
        assert_eq!(answer.status, 408);
        answer.check_refusal();
        assert!(handshake.is_finished());
    }
}

#[test]
fn h33_the_application_has_the_same_ten_seconds() {
    let mut handshake = deciding();
    let event = handshake.handle_timeout(seconds(10));
    assert_eq!(event, Some(ServerEvent::Lost(Lost::Timeout)));
    let too_late = handshake.accept(&Response::new());
    assert_eq!(too_late, Err(ResponseError::NoRequest));
    let answer = only_answer(&answered(&mut handshake));
    assert_eq!(answer.status, 503);
    answer.check_refusal();
}

#[test]
fn h33_an_answer_that_nobody_reads_is_dropped() {
    let mut accepted = deciding();
    accepted.accept(&Response::new()).unwrap();
    let event = accepted.handle_timeout(seconds(10));
    assert_eq!(event, Some(ServerEvent::Lost(Lost::Timeout)));
    assert!(!accepted.is_accepted());

    let mut rejected = deciding();
    rejected.reject(&Rejection::new(404)).unwrap();
    assert_eq!(rejected.handle_timeout(seconds(10)), None);

    for mut handshake in [accepted, rejected] {
        assert!(handshake.is_finished());
        assert_eq!(answered(&mut handshake), b"");
    }
}

#[test]
fn h34_silence_needs_no_answer() {
    let mut handshake = server();
    let event = handshake.handle_timeout(seconds(10));
    assert_eq!(event, Some(ServerEvent::Lost(Lost::Timeout)));
    assert_eq!(answered(&mut handshake), b"");
    assert!(handshake.is_finished());
}

/// What must not be sent, and what is said instead.
fn mistakes() -> [(Response, ResponseError); 12] {
    let field = |name: &str, value: &str| Response::new().header(name, value);
    let error = ResponseError::Field;
    [
        (Response::new().protocol("b"), ResponseError::NotOffered),
        (Response::new().protocol("A"), ResponseError::NotOffered),
        (Response::new().protocol(""), ResponseError::NotOffered),
        (
            field("Sec-WebSocket-Accept", "x"),
            error(FieldError::Reserved),
        ),
        (field("connection", "close"), error(FieldError::Reserved)),
        (field("UPGRADE", "h2c"), error(FieldError::Reserved)),
        (field("Content-Length", "0"), error(FieldError::Reserved)),
        (
            field("Transfer-Encoding", "chunked"),
            error(FieldError::Reserved),
        ),
        (field("X", "a\r\nY: b"), error(FieldError::Value)),
        (field("X", "a\nb"), error(FieldError::Value)),
        (field("X", "a\0"), error(FieldError::Value)),
        (field("X: y\r\nZ", "a"), error(FieldError::Name)),
    ]
}

#[test]
fn h40_h41_a_mistake_changes_nothing() {
    for (response, error) in mistakes() {
        let mut handshake = deciding();
        assert_eq!(handshake.accept(&response), Err(error), "{response:?}");
        assert_eq!(answered(&mut handshake), b"");
        handshake.accept(&Response::new().protocol("a")).unwrap();
        let answer = only_answer(&answered(&mut handshake));
        assert_eq!(answer.lines.len(), 4);
    }
    for rejection in [
        Rejection::new(200),
        Rejection::new(101),
        Rejection::new(304),
        Rejection::new(600),
        Rejection::new(403).header("Content-Length", "0"),
        Rejection::new(403).header("X", "\r\n\r\nHTTP/1.1 200 OK"),
    ] {
        let mut handshake = deciding();
        assert!(handshake.reject(&rejection).is_err(), "{rejection:?}");
        assert_eq!(answered(&mut handshake), b"");
        handshake.reject(&Rejection::new(403)).unwrap();
        assert_eq!(only_answer(&answered(&mut handshake)).status, 403);
    }
}

#[test]
fn h41_a_body_ends_where_its_length_says() {
    let mut handshake = deciding();
    let body = "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    let rejection = Rejection::new(403).body(body);
    handshake
        .reject(&rejection.header("Retry-After", "5"))
        .unwrap();
    let answer = only_answer(&answered(&mut handshake));
    assert_eq!(answer.body, body.as_bytes());
    assert!(answer.has("Retry-After: 5"));
    answer.check_refusal();
}

#[test]
fn h43_fields_are_handed_over_as_they_came() {
    let cookie = format!("COOKIE: {}", "b".repeat(4096));
    let mut handshake = server();
    give(
        &mut handshake,
        &request(&["Cookie: a=1", &cookie, "Proxy-Connection: keep-alive"]),
    );
    let headers = handshake.request().unwrap().headers();
    let cookies: Vec<_> = headers.named("cookie").map(<[u8]>::len).collect();
    assert_eq!(cookies, [3, 4096]);
    assert_eq!(
        headers.last(),
        Some(("Proxy-Connection", &b"keep-alive"[..]))
    );
    assert_eq!(headers.count(), 8);
}

/// Every state that a server's handshake can be in, by name.
fn states() -> [(&'static str, ServerHandshake); 8] {
    let mut started = server();
    give(&mut started, b"GET ");
    let mut accepting = deciding();
    accepting.accept(&Response::new()).unwrap();
    let mut accepted = deciding();
    accepted.accept(&Response::new()).unwrap();
    answered(&mut accepted);
    let mut failed = server();
    let _ = failed.handle_input(Instant::ZERO, &mut [b'\n']);
    let mut rejected = deciding();
    rejected.reject(&Rejection::new(403)).unwrap();
    let mut lost = server();
    lost.handle_eof(Instant::ZERO);
    [
        ("new", server()),
        ("started", started),
        ("deciding", deciding()),
        ("accepting", accepting),
        ("accepted", accepted),
        ("failed", failed),
        ("rejected", rejected),
        ("lost", lost),
    ]
}

#[test]
fn h44_the_end_of_the_transport_is_one_event() {
    for (state, mut handshake) in states() {
        let waits = ["new", "started", "deciding"].contains(&state);
        let expected = waits.then_some(ServerEvent::Lost(Lost::Eof));
        assert_eq!(handshake.handle_eof(Instant::ZERO), expected, "{state}");
        assert_eq!(handshake.handle_eof(Instant::ZERO), None, "{state}");
        if waits {
            assert_eq!(answered(&mut handshake), b"", "{state}");
            assert!(handshake.is_finished(), "{state}");
        }
    }
}

#[test]
fn every_state_meets_every_call() {
    for (state, _) in states() {
        let find = || states().into_iter().find(|(name, _)| *name == state);
        let handshake = || find().unwrap().1;
        let is_deciding = state == "deciding";
        let opens = ["deciding", "accepting", "accepted"].contains(&state);

        // Input is taken, left for the connection, or discarded.
        let mut input = *b"\x81\x80\0\0\0\0";
        let mut it = handshake();
        let Progress { event, rest } = it.handle_input(Instant::ZERO, &mut input);
        let reads = ["new", "started"].contains(&state);
        assert_eq!(event.is_some(), reads, "{state}");
        assert_eq!(rest.len(), if opens { 6 } else { 0 }, "{state}");

        // Commands are for the one state in which a request waits.
        let mut it = handshake();
        assert_eq!(it.accept(&Response::new()).is_ok(), is_deciding, "{state}");
        let mut it = handshake();
        let rejected = it.reject(&Rejection::new(404));
        assert_eq!(rejected.is_ok(), is_deciding, "{state}");

        // The deadline is there until everything is written, and ends it all.
        let mut it = handshake();
        let is_finished = ["accepted", "lost"].contains(&state);
        assert_eq!(it.is_finished(), is_finished, "{state}");
        assert_eq!(it.poll_timeout().is_none(), is_finished, "{state}");
        assert_eq!(it.handle_timeout(seconds(9)), None, "{state}");
        let event = it.handle_timeout(seconds(10));
        let is_lost = reads || ["deciding", "accepting"].contains(&state);
        assert_eq!(event.is_some(), is_lost, "{state}");
        assert_eq!(it.poll_timeout(), None, "{state}");
        assert_eq!(it.handle_timeout(Instant::MAX), None, "{state}");
        answered(&mut it);
        assert!(it.is_finished(), "{state}");

        // What is known of the handshake is known once it is through.
        let it = handshake();
        assert_eq!(it.request().is_some(), opens, "{state}");
        assert_eq!(it.is_accepted(), state == "accepted", "{state}");
        let head = it.into_head();
        assert_eq!(head.is_some(), state == "accepted", "{state}");
    }
}

#[test]
fn a_deadline_beyond_the_end_of_time_is_none() {
    let mut options = ServerOptions::new(Origins::Any);
    options.limits = Limits {
        timeout: Duration::MAX,
        ..Limits::default()
    };
    let mut handshake = ServerHandshake::new(options, seconds(1));
    assert_eq!(handshake.poll_timeout(), None);
    assert_eq!(handshake.handle_timeout(Instant::MAX), None);
    let outcome = give(&mut handshake, &request(&[]));
    assert_eq!(outcome.events, ["Request"]);
}

/// Names that are likely to pass, and to be trouble.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[A-Za-z][A-Za-z0-9-]{0,11}",
        1 => prop::sample::select(vec![
            "Connection", "upgrade", "Content-Length", "Sec-WebSocket-Accept", "Set-Cookie",
            "X:", "X\r\nY", "X Y", "", "content-type",
        ]).prop_map(String::from),
        1 => any::<String>(),
    ]
}

/// Values that are likely to pass, and to be trouble.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => "[!-~]{0,3}[ -~]{0,8}".prop_map(String::into_bytes),
        1 => "[ab\r\n\t\0: ]{0,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

/// The lines that httparse has to find.
fn lines(fields: &[(String, Vec<u8>)]) -> impl Iterator<Item = String> {
    let text = |value: &Vec<u8>| String::from_utf8_lossy(value).into_owned();
    fields
        .iter()
        .map(move |(name, value)| format!("{name}: {}", text(value)))
}

proptest! {
    #[test]
    fn h40_h41_a_response_says_what_was_set_or_nothing(
        fields in prop::collection::vec((name(), value()), 0..4),
        protocol in prop::option::of(prop_oneof![Just(String::from("a")), name()]),
    ) {
        let mut response = Response::new();
        if let Some(protocol) = &protocol {
            response = response.protocol(protocol);
        }
        for (name, value) in &fields {
            response = response.header(name, value);
        }
        let mut handshake = deciding();
        let accepted = handshake.accept(&response);
        let output = answered(&mut handshake);
        if accepted.is_err() {
            prop_assert!(output.is_empty());
            prop_assert!(handshake.accept(&Response::new()).is_ok());
            return Ok(());
        }
        let answer = only_answer(&output);
        let own = [
            String::from("Upgrade: websocket"),
            String::from("Connection: Upgrade"),
            format!("Sec-WebSocket-Accept: {}", sockeye_tests::handshake::ACCEPT),
        ];
        let protocol = protocol.map(|name| format!("Sec-WebSocket-Protocol: {name}"));
        let expected: Vec<_> = own.into_iter().chain(protocol).chain(lines(&fields)).collect();
        prop_assert_eq!(answer.status, 101);
        prop_assert_eq!(answer.lines, expected);
    }

    #[test]
    fn h41_a_rejection_says_what_was_set_or_nothing(
        status in 0_u16..1000,
        fields in prop::collection::vec((name(), value()), 0..4),
        body in any::<String>(),
    ) {
        let mut rejection = Rejection::new(status).body(body.clone());
        for (name, value) in &fields {
            rejection = rejection.header(name, value);
        }
        let mut handshake = deciding();
        let rejected = handshake.reject(&rejection);
        let output = answered(&mut handshake);
        if rejected.is_err() {
            prop_assert!(output.is_empty());
            prop_assert!(handshake.accept(&Response::new()).is_ok());
            return Ok(());
        }
        let answer = only_answer(&output);
        prop_assert_eq!(answer.status, status);
        prop_assert_eq!(&answer.body, body.as_bytes());
        let set: Vec<_> = lines(&fields).collect();
        let found = answer.lines.windows(set.len().max(1)).any(|lines| lines == set);
        prop_assert!(set.is_empty() || found, "{set:?} in {answer:?}");
        let connection = answer.value("Connection").unwrap_or_default();
        prop_assert!(connection.starts_with("close"));
    }
}
