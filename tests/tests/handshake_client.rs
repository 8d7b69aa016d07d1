//! The client's side of the opening handshake, and what a client has to draw
//! from its source of randomness: rows C of the rules.
//!
//! The table holds what bytes alone can say. Here is what takes time, storage,
//! or an application that makes mistakes.

use core::time::Duration;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use sockeye::websocket::handshake::{
    ClientEvent, ClientHandshake, ClientRequest, FieldError, Lost, RequestError, ResponseViolation,
    Url, UrlError, client_key,
};
use sockeye::websocket::{
    CloseCode, Config, Connection, Kind, MaskSource, Message, Role, SLICES, SendError, Violation,
};
use sockeye::{Instant, Progress};
use sockeye_tests::alloc::{Counting, measure};
use sockeye_tests::handshake::{ClientVector, NONCE, RESPONSE, connect, head, requested};
use sockeye_tests::hex::hex;
use sockeye_tests::trace::{Bench, Side};
use sockeye_tests::{vectors, wire};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn every_response_is_judged() {
    for vector in vectors::load::<ClientVector>("handshake_client") {
        vector.check();
    }
}

fn client() -> ClientHandshake {
    let request = ClientRequest::new("h", "/ws").unwrap();
    ClientHandshake::new(request, NONCE, Instant::ZERO)
}

/// A client that has sent its request.
fn waiting() -> ClientHandshake {
    let mut handshake = client();
    requested(&mut handshake);
    handshake
}

fn seconds(seconds: u64) -> Instant {
    Instant::ZERO.after(Duration::from_secs(seconds))
}

#[test]
fn c01_the_request_is_what_a_server_expects() {
    let request = ClientRequest::new("example.com:8080", "/chat?a=b").unwrap();
    let request = request.protocol("chat").unwrap().protocol("v2").unwrap();
    let request = request.origin("https://example.com").unwrap();
    let request = request.header("Cookie", "id=1").unwrap();
    let mut handshake = ClientHandshake::new(request, NONCE, Instant::ZERO);
    let expected = head([
        "GET /chat?a=b HTTP/1.1",
        "Host: example.com:8080",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: chat, v2",
        "Origin: https://example.com",
        "Cookie: id=1",
    ]);
    assert_eq!(requested(&mut handshake), expected);
}

#[test]
fn c14_an_endless_head_is_not_kept() {
    let mut handshake = waiting();
    let mut start = *b"HTTP/1.1 101 X\r\nX: ";
    let _ = handshake.handle_input(Instant::ZERO, &mut start);
    let mut chunk = vec![b'a'; 4096];
    let mut at = 0;
    let (event, usage) = measure(|| {
        loop {
            let progress = handshake.handle_input(Instant::ZERO, &mut chunk);
            at += 4096;
            if let Some(event) = progress.event {
                return event;
            }
        }
    });
    let ClientEvent::Failed(violation) = event else {
        panic!("{event:?}");
    };
    assert_eq!(violation.to_string(), "the header section is too long");
    assert_eq!(at, 4 * 4096);
    assert!(usage.peak <= 3 * 16_384 && usage.held <= 0, "{usage:?}");

    // What comes after that is not even looked at.
    let ((), usage) = measure(|| {
        for _ in 0..7_000_000 / 4096 {
            let Progress { event, rest } = handshake.handle_input(Instant::ZERO, &mut chunk);
            assert_eq!((event, rest.len()), (None, 0));
        }
    });
    assert_eq!(usage.allocations, 0);
}

#[test]
fn c15_c16_the_first_frame_comes_with_the_response() {
    for (frame, violation) in [
        ("81 02 'hi'", None),
        ("81 82 m0 'hi'", Some(Violation::Masked)),
    ] {
        let input = [head(RESPONSE), hex(frame)].concat();
        for cut in 0..input.len() {
            let (a, b) = input.split_at(cut);
            let mut handshake = waiting();
            let outcome = connect(&mut handshake, &[a, b], false);
            assert_eq!(outcome.events, ["Open"], "cut at {cut}");
            let mut bench = Bench::new(Side::Client, Config::default());
            bench.feed(&outcome.rest);
            assert_eq!(bench.trace.violation(), violation, "cut at {cut}");
            match violation {
                None => assert_eq!(bench.trace.messages(), [Message::from("hi")]),
                Some(_) => assert_eq!(bench.trace.close_sent(), Some(1002)),
            }
        }
    }
}

#[test]
fn c17_a_server_that_speaks_first_is_none() {
    let size = requested(&mut client()).len();
    for sent in [0, 1, size - 1] {
        let mut handshake = client();
        handshake.advance_transmit(sent);
        let mut input = head(RESPONSE);
        let progress = handshake.handle_input(Instant::ZERO, &mut input);
        let failed = ClientEvent::Failed(ResponseViolation::Early);
        assert_eq!(progress.event, Some(failed), "after {sent} bytes");
        assert_eq!(progress.rest, b"");
        assert_eq!(requested(&mut handshake), b"", "the rest is not sent");
    }
}

#[test]
fn c03_the_response_has_ten_seconds() {
    let mut handshake = client();
    assert_eq!(handshake.poll_timeout(), Some(seconds(10)));
    assert_eq!(handshake.handle_timeout(seconds(9)), None);
    let event = handshake.handle_timeout(seconds(10));
    assert_eq!(event, Some(ClientEvent::Lost(Lost::Timeout)));
    assert_eq!(requested(&mut handshake), b"");

    // A body that does not end is handed over as far as it came.
    let mut handshake = waiting();
    let mut input = head(["HTTP/1.1 403 Forbidden"]);
    input.extend(b"go aw");
    assert_eq!(handshake.handle_input(seconds(9), &mut input).event, None);
    let progress = handshake.handle_input(seconds(10), &mut input);
    assert_eq!(progress.event, Some(ClientEvent::Refused));
    let response = handshake.into_head().unwrap();
    assert_eq!((response.body(), response.is_cut()), (&b"go aw"[..], true));
}

/// Every state that a client's handshake can be in, by name.
fn states() -> [(&'static str, ClientHandshake); 8] {
    let after = |lines: &[&str]| {
        let mut handshake = waiting();
        let _ = handshake.handle_input(Instant::ZERO, &mut head(lines));
        handshake
    };
    let mut lost = client();
    lost.handle_eof(Instant::ZERO);
    [
        ("new", client()),
        ("waiting", waiting()),
        ("body", after(&["HTTP/1.1 403 Forbidden"])),
        ("open", after(&RESPONSE)),
        ("refused", after(&["HTTP/1.1 403 X", "Content-Length: 0"])),
        ("redirected", after(&["HTTP/1.1 302 X", "Location: /"])),
        ("failed", after(&["HTTP/1.1 101 X"])),
        ("lost", lost),
    ]
}

#[test]
fn every_state_meets_every_call() {
    for (state, _) in states() {
        let find = || states().into_iter().find(|(name, _)| *name == state);
        let handshake = || find().unwrap().1;
        let is_over = !["new", "waiting", "body"].contains(&state);

        // Input is taken, left for the connection, or discarded.
        let mut input = *b"\x81\x00";
        let mut it = handshake();
        let Progress { event, rest } = it.handle_input(Instant::ZERO, &mut input);
        let fails = ["new", "waiting"].contains(&state);
        assert_eq!(event.is_some(), fails, "{state}");
        assert_eq!(rest.len(), if state == "open" { 2 } else { 0 }, "{state}");

        // The end and the deadline are one event, and the last one.
        for is_eof in [true, false] {
            let mut it = handshake();
            let mut end = || match is_eof {
                true => it.handle_eof(Instant::ZERO),
                false => it.handle_timeout(seconds(10)),
            };
            assert_eq!(end().is_some(), !is_over, "{state}");
            assert_eq!(end(), None, "{state}");
            assert!(it.is_finished(), "{state}");
            assert_eq!(it.poll_timeout(), None, "{state}");
            assert_eq!(requested(&mut it), b"", "{state}");
        }

        let it = handshake();
        assert_eq!(it.is_finished(), is_over, "{state}");
        assert_eq!(it.is_open(), state == "open", "{state}");
        let is_answered = ["open", "refused", "redirected"].contains(&state);
        assert_eq!(it.response().is_some(), is_answered, "{state}");
        assert_eq!(it.into_head().is_some(), is_answered, "{state}");
    }
}

#[test]
fn c19_what_could_end_a_line_is_refused() {
    for bad in ["a\rb", "a\nb", "a\0b", "a\r\nX: y", "a b", "a\u{7f}"] {
        for text in [format!("/{bad}"), format!("/?{bad}"), String::from(bad)] {
            let made = ClientRequest::new("h", &text);
            assert_eq!(made.err(), Some(RequestError::Target), "{text:?}");
        }
        let made = ClientRequest::new(bad, "/");
        assert_eq!(made.err(), Some(RequestError::Host), "{bad:?}");
        let request = || ClientRequest::new("h", "/").unwrap();
        let made = request().protocol(bad);
        assert_eq!(made.err(), Some(RequestError::Protocol), "{bad:?}");
        let made = request().header(bad, "v");
        let name = RequestError::Field(FieldError::Name);
        assert_eq!(made.err(), Some(name), "{bad:?}");
        // A value may have spaces, inside.
        if bad != "a b" {
            let value = RequestError::Field(FieldError::Value);
            for field in ["X", "User-Agent", "Cookie", "Authorization"] {
                let made = request().header(field, bad);
                assert_eq!(made.err(), Some(value), "{field}: {bad:?}");
            }
            let made = request().origin(bad);
            assert_eq!(made.err(), Some(value), "{bad:?}");
        }
        assert!(Url::parse(&format!("ws://h/{bad}")).is_err(), "{bad:?}");
        assert!(Url::parse(&format!("ws://{bad}/")).is_err(), "{bad:?}");
    }
    let request = ClientRequest::new("h", "/").unwrap();
    let made = request.clone().header("X", " a");
    assert_eq!(made.err(), Some(FieldError::Value.into()));
    let twice = request.origin("null").unwrap().origin("null");
    assert_eq!(twice.err(), Some(FieldError::Repeated.into()));
}

#[test]
fn c20_the_fields_of_the_handshake_are_not_for_the_application() {
    for name in [
        "Host",
        "upgrade",
        "CONNECTION",
        "Sec-WebSocket-Key",
        "sec-websocket-version",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Accept",
        "Content-Length",
        "Transfer-Encoding",
    ] {
        let request = ClientRequest::new("h", "/").unwrap();
        let reserved = RequestError::Field(FieldError::Reserved);
        assert_eq!(request.header(name, "x").err(), Some(reserved), "{name}");
    }
}

#[test]
fn c21_uris_that_are_none() {
    for (uri, error) in [
        ("ws://h/p#f", UrlError::Target),
        ("ws://u:p@h/", UrlError::User),
        ("ws://h:0/", UrlError::Port),
        ("ws://h:65536", UrlError::Port),
        ("ws:///x", UrlError::Host),
        ("http://h", UrlError::Scheme),
        ("ws://[::1", UrlError::Host),
        ("ws://h/\u{e4}", UrlError::Target),
    ] {
        assert_eq!(Url::parse(uri), Err(error), "{uri}");
    }
    // What is one makes a request.
    for uri in ["ws://h", "wss://[::1]:8443/a%C3%A4?b", "ws://h:80//x?y?z"] {
        let url = Url::parse(uri).unwrap();
        assert!(
            ClientRequest::new(url.authority, &url.target).is_ok(),
            "{uri}"
        );
    }
}

#[test]
fn c22_every_nonce_has_a_key_of_its_own() {
    let nonces = (0..128).map(|bit| (1_u128 << bit).to_be_bytes());
    let keys: HashSet<_> = nonces.map(client_key).collect();
    assert_eq!(keys.len(), 128);
    // The response to one key does not open a connection that sent another.
    let request = ClientRequest::new("h", "/").unwrap();
    let mut handshake = ClientHandshake::new(request, [0; 16], Instant::ZERO);
    requested(&mut handshake);
    let outcome = connect(&mut handshake, &[&head(RESPONSE)], false);
    assert_eq!(outcome.events, ["Failed(Accept)"]);
}

#[test]
fn c23_without_a_key_nothing_is_sent() {
    for key in [None, Some([0; 4])] {
        let role = Role::Client(MaskSource::boxed(move || key));
        let mut bench = Bench::with_role(role, Config::default());
        let connection = &mut bench.connection;
        let failed = Err(SendError::NoMaskKey);
        assert_eq!(connection.send("a"), failed);
        assert_eq!(connection.send_bytes(vec![0; 8192].into()), failed);
        assert_eq!(connection.ping(b""), failed);
        assert_eq!(connection.pong(b""), failed);
        assert_eq!(connection.close(CloseCode::NORMAL, ""), failed);
        // A pong that cannot be sent ends the connection.
        bench.feed(&hex("89 00"));
        assert_eq!(bench.trace.reason().map(|it| it.code()), Some(1006));
        assert_eq!(bench.trace.output, b"");
    }
    // Two keys of zeros are bad luck.
    let mut draws = 0;
    let role = Role::Client(MaskSource::boxed(move || {
        draws += 1;
        Some(if draws % 3 == 0 { [7; 4] } else { [0; 4] })
    }));
    let mut bench = Bench::with_role(role, Config::default());
    bench.connection.send("a").unwrap();
    bench.drain();
    assert_eq!(bench.trace.frames()[0].key, Some([7; 4]));
}

/// A source that counts what is drawn, and never gives the same key twice.
fn counting() -> (Arc<AtomicUsize>, MaskSource) {
    let count = Arc::new(AtomicUsize::new(0));
    let drawn = Arc::clone(&count);
    let source = MaskSource::boxed(move || {
        let key = drawn.fetch_add(1, Ordering::Relaxed) + 1;
        Some((key as u32).to_be_bytes())
    });
    (count, source)
}

#[test]
fn c24_every_frame_has_a_fresh_key() {
    let (drawn, source) = counting();
    let config = Config::default();
    let mut connection = Connection::new(Role::Client(source), config, Instant::ZERO);
    let mut output = Vec::new();
    let mut frames = 0;
    for round in 0..1250 {
        connection.send("text").unwrap();
        // A payload of this size is taken over, a smaller one is copied.
        let size = if round % 50 == 0 { 5000 } else { 50 };
        connection.send(vec![round as u8; size]).unwrap();
        connection.send("").unwrap();
        connection.start(Kind::Binary).unwrap();
        for fin in [false, false, true] {
            connection.part(b"part", fin).unwrap();
        }
        connection.ping(b"ping").unwrap();
        connection.pong(b"pong").unwrap();
        frames += 8;
        // A frame that is refused takes no key, or one that is never used.
        assert_eq!(connection.ping(b"again"), Err(SendError::Full));
        assert_eq!(drawn.load(Ordering::Relaxed), frames);
        // The transport takes a little at a time.
        loop {
            let mut slices = [&[][..]; SLICES];
            let used = connection.poll_transmit(&mut slices);
            let bytes = slices[..used].concat();
            let taken = bytes.len().min(1 + 997 * (round % 3));
            if taken == 0 {
                break;
            }
            output.extend(&bytes[..taken]);
            connection.advance_transmit(taken);
        }
    }
    assert_eq!(drawn.load(Ordering::Relaxed), 10_000);
    let written = wire::frames(&output);
    assert_eq!(written.len(), 10_000);
    let keys: HashSet<_> = written.iter().map(|frame| frame.key.unwrap()).collect();
    assert_eq!(keys.len(), 10_000);
    let parts = written.iter().filter(|frame| frame.payload == b"part");
    assert_eq!(parts.count(), 3750);
}

#[test]
fn c25_a_frame_says_what_the_buffer_said_when_it_was_sent() {
    let mut bench = Bench::new(Side::Client, Config::default());
    bench.writable = false;
    let mut buffer = vec![b'a'; 9000];
    bench.connection.send(&buffer[..]).unwrap();
    // Half of it is on its way.
    bench.write(4500);
    buffer.fill(b'b');
    bench.connection.send(&buffer[..]).unwrap();
    buffer.fill(b'c');
    bench.drain();
    let payloads: Vec<_> = bench
        .trace
        .frames()
        .into_iter()
        .map(|it| it.payload)
        .collect();
    assert_eq!(payloads, [vec![b'a'; 9000], vec![b'b'; 9000]]);
}

/// Whether keys look random: each byte takes all values alike, and does not
/// follow from the one before. Both bounds are ten standard deviations wide.
fn look_random(keys: &[[u8; 4]]) -> bool {
    let n = keys.len() as f64;
    (0..4).all(|place| {
        let bytes = || keys.iter().map(|key| key[place]);
        let mut counts = [0_u32; 256];
        bytes().for_each(|byte| counts[usize::from(byte)] += 1);
        let expected = n / 256.0;
        let square = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
        let chi_square: f64 = counts.iter().map(square).sum();
        // 255 degrees of freedom: 255, give or take 22.6.
        let is_even = (chi_square - 255.0).abs() < 226.0;

        let centred = || bytes().map(|byte| f64::from(byte) - 127.5);
        let pairs = centred().zip(centred().skip(1));
        let covariance: f64 = pairs.map(|(a, b)| a * b).sum();
        let variance: f64 = centred().map(|byte| byte * byte).sum();
        let is_free = (covariance / variance).abs() < 10.0 / n.sqrt();
        is_even && is_free
    })
}

/// The keys of a million frames.
fn keys(source: MaskSource) -> Vec<[u8; 4]> {
    let config = Config::default();
    let mut connection = Connection::new(Role::Client(source), config, Instant::ZERO);
    let mut keys = Vec::new();
    for _ in 0..1000 {
        for _ in 0..1000 {
            connection.send("").unwrap();
        }
        loop {
            let mut slices = [&[][..]; SLICES];
            let used = connection.poll_transmit(&mut slices);
            let bytes = slices[..used].concat();
            if bytes.is_empty() {
                break;
            }
            connection.advance_transmit(bytes.len());
            let frames = bytes.chunks(6);
            keys.extend(frames.map(|frame| <[u8; 4]>::try_from(&frame[2..]).unwrap()));
        }
    }
    keys
}

#[test]
fn c26_default_keys_look_random() {
    for source in [sockeye_tokio::mask_keys(), sockeye_async_std::mask_keys()] {
        let keys = keys(source);
        assert_eq!(keys.len(), 1_000_000);
        assert!(look_random(&keys));
    }
}

#[test]
fn c26_keys_that_count_do_not_look_random() {
    let (_, source) = counting();
    assert!(!look_random(&keys(source)));
}

/// Names that are likely to pass, and to be trouble.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[A-Za-z][A-Za-z0-9-]{0,11}",
        1 => prop::sample::select(vec![
            "Host", "Connection", "upgrade", "Content-Length", "Origin", "origin",
            "Sec-WebSocket-Key", "X:", "X\r\nY", "X Y", "",
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

/// Texts for the start line, `Host` and the offer.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z]{1,5}",
        2 => "/[!-~]{0,8}",
        1 => "[a/ \r\n\t\0:@#?,.]{0,8}",
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn c19_c20_a_request_says_what_was_set_or_is_none(
        host in text(),
        target in text(),
        protocols in prop::collection::vec(text(), 0..3),
        fields in prop::collection::vec((name(), value()), 0..4),
    ) {
        // The parts that cannot be had are left out.
        let request = ClientRequest::new(&host, &target);
        let (host, target) = match request.is_ok() {
            true => (host, target),
            false => (String::from("h"), String::from("/")),
        };
        let mut request = request.or_else(|_| ClientRequest::new("h", "/")).unwrap();
        let mut offer = Vec::new();
        for name in protocols {
            if let Ok(more) = request.clone().protocol(&name) {
                request = more;
                offer.push(name);
            }
        }
        let mut set = Vec::new();
        for (name, value) in fields {
            if let Ok(more) = request.clone().header(&name, &value) {
                request = more;
                set.push((name, value));
            }
        }
        let mut handshake = ClientHandshake::new(request, NONCE, Instant::ZERO);
        let output = requested(&mut handshake);

        let mut found = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut found);
        prop_assert_eq!(parsed.parse(&output), Ok(httparse::Status::Complete(output.len())));
        prop_assert_eq!((parsed.method, parsed.version), (Some("GET"), Some(1)));
        prop_assert_eq!(parsed.path, Some(&*target));
        let own = [
            ("Host", host.as_str()),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let own = own.map(|(name, value)| (String::from(name), Vec::from(value)));
        let offer = (!offer.is_empty()).then(|| {
            (String::from("Sec-WebSocket-Protocol"), offer.join(", ").into_bytes())
        });
        let expected: Vec<_> = own.into_iter().chain(offer).chain(set).collect();
        let found: Vec<_> = parsed.headers.iter().map(|it| (it.name.into(), it.value.into())).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn c19_c21_a_uri_makes_a_request_or_is_none(uri in "(wss?://)?[a-z0-9.:@\\[\\]]{0,8}[ -~\r\n]{0,8}") {
        if let Ok(url) = Url::parse(&uri) {
            prop_assert!(ClientRequest::new(url.authority, &url.target).is_ok(), "{:?}", url);
            prop_assert!(url.port > 0 && !url.host.is_empty());
        }
    }
}
