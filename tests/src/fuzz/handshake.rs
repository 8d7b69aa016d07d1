//! The opening handshake under any bytes, with a second opinion: what httparse
//! does not read as the same head is not accepted either.

use sockeye::Instant;
use sockeye::websocket::handshake::{
    ClientEvent, ClientHandshake, ClientRequest, HttpVersion, Limits, Origins, Rejection, Response,
    ServerEvent, ServerHandshake, ServerOptions, check_request,
};

use super::{Choices, assert_bounded};
use crate::alloc::measure;
use crate::cuts::Random;
use crate::handshake::{NONCE, Outcome, answered, connect, requested, serve};

/// Runs a server on a request, of which the first two bytes choose the options
/// and the cuts.
///
/// # Panics
///
/// If a cut can be seen, memory is not bounded, or another parser disagrees.
pub fn handshake_request(data: &[u8]) {
    let mut choices = Choices(data);
    let (flags, seed) = (choices.byte(), choices.byte());
    let input = choices.0;
    let options = server_options(flags);
    let rejects = flags & 16 != 0;
    let new = || ServerHandshake::new(options.clone(), Instant::ZERO);
    let answer = |handshake: &mut ServerHandshake| match rejects {
        true => handshake
            .reject(&Rejection::new(403).body("no"))
            .expect("a rejection"),
        false => accept(handshake),
    };
    let run = |chunks: &[&[u8]]| {
        let mut handshake = new();
        let mut outcome = serve(&mut handshake, chunks, answer);
        let eof = handshake.handle_eof(Instant::ZERO);
        outcome.events.extend(eof.map(|event| format!("{event:?}")));
        outcome.output.extend(answered(&mut handshake));
        assert!(handshake.handle_eof(Instant::ZERO).is_none());
        assert!(outcome.events.len() <= 1, "{:?}", outcome.events);
        (outcome, handshake.into_head())
    };
    let (whole, accepted) = run(&[input]);
    for chunks in [input.chunks(1).collect(), pieces(input, seed)] {
        let (cut, accepted_cut) = run(&chunks);
        assert_same(&cut, &whole);
        let fields =
            |it: sockeye::websocket::handshake::Accepted| format!("{:?}", it.request().headers());
        assert_eq!(accepted_cut.map(fields), accepted.clone().map(fields));
    }
    second_opinion_on_request(&options, input, &whole);

    let limits = options.limits;
    for chunks in [vec![input], pieces(input, seed)] {
        let mut chunks: Vec<Vec<u8>> = chunks.iter().map(|chunk| chunk.to_vec()).collect();
        let mut handshake = new();
        let ((), usage) = measure(|| {
            for chunk in &mut chunks {
                let event = handshake.handle_input(Instant::ZERO, chunk).event;
                if event == Some(ServerEvent::Request) {
                    answer(&mut handshake);
                }
            }
        });
        let head = input.len().min(limits.request_line + limits.head + 8);
        // Storage at most doubles what has arrived; the answer, the offers and
        // what was agreed come on top.
        assert_bounded(
            usage.peak,
            2 * head + 4096,
            format_args!("{} received", input.len()),
        );
    }
}

fn server_options(flags: u8) -> ServerOptions {
    let origins = match flags & 3 {
        0 | 1 => Origins::Any,
        2 => Origins::SameHost,
        _ => Origins::List(vec!["https://a.example".into(), "null".into()]),
    };
    let mut options = ServerOptions::new(origins);
    options.require_origin = flags & 4 != 0;
    if flags & 8 != 0 {
        options.limits = small();
    }
    options
}

fn small() -> Limits {
    Limits {
        request_line: 32,
        head: 200,
        fields: 8,
        informational: 1,
        body: 16,
        ..Limits::default()
    }
}

fn accept(handshake: &mut ServerHandshake) {
    let request = handshake.request().expect("a request");
    assert!(request.path().starts_with('/'));
    let response = match request.select_protocol(&["chat", "echo"]) {
        Some(protocol) => Response::new().protocol(protocol),
        None => Response::new(),
    };
    handshake.accept(&response).expect("what was offered");
}

/// A request that is accepted is one for httparse as well, with the same parts
/// and the same end; and it is accepted, or refused for the same rule, with the
/// fields that httparse finds.
fn second_opinion_on_request(options: &ServerOptions, input: &[u8], outcome: &Outcome) {
    let is_accepted = outcome.events == ["Request"];
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut fields);
    let parse = parsed.parse(input);
    let Ok(httparse::Status::Complete(len)) = parse else {
        assert!(!is_accepted || is_later_version(&parse), "{parse:?}");
        return;
    };
    // What follows a request that is turned down is discarded.
    if is_accepted && outcome.output.starts_with(b"HTTP/1.1 1") {
        assert_eq!(len + outcome.rest.len(), input.len());
    }
    let is_about_bytes = |event: &String| event.contains("Head(") || event.contains("Target");
    let target = parsed.path.unwrap_or_default();
    if outcome.events.iter().any(is_about_bytes) || !target.starts_with('/') {
        return;
    }
    let version = match parsed.version {
        Some(0) => HttpVersion::Http10,
        _ => HttpVersion::Http11,
    };
    let method = parsed.method.unwrap_or_default();
    let fields = parsed.headers.iter().map(|field| (field.name, field.value));
    let checked = match check_request(options, method, version, fields) {
        Ok(_) => "Request".into(),
        Err(refusal) => format!("Failed({refusal:?})"),
    };
    assert_eq!(outcome.events, [checked]);
}

/// Runs a client on a response, of which the first two bytes choose what was
/// asked for and the cuts.
///
/// # Panics
///
/// If a cut can be seen, memory is not bounded, or another parser disagrees.
pub fn handshake_response(data: &[u8]) {
    let mut choices = Choices(data);
    let (flags, seed) = (choices.byte(), choices.byte());
    let input = choices.0;
    let request = client_request(flags);
    let is_eof = flags & 4 != 0;
    let new = || {
        let mut handshake = ClientHandshake::new(request.clone(), NONCE, Instant::ZERO);
        let _ = requested(&mut handshake);
        handshake
    };
    let run = |chunks: &[&[u8]]| {
        let mut handshake = new();
        let outcome = connect(&mut handshake, chunks, is_eof);
        assert!(outcome.events.len() <= 1, "{:?}", outcome.events);
        let seen = handshake.response().map(|response| {
            (
                response.status(),
                format!("{:?}", response.headers()),
                response.body().to_vec(),
                response.is_cut(),
                response.protocol().map(String::from),
                response.location().map(String::from),
            )
        });
        (outcome, seen)
    };
    let (whole, seen) = run(&[input]);
    for chunks in [input.chunks(1).collect(), pieces(input, seed)] {
        let (cut, seen_cut) = run(&chunks);
        assert_same(&cut, &whole);
        assert_eq!(seen_cut, seen);
    }
    if let Some((status, ..)) = seen {
        second_opinion_on_response(input, status);
    }

    let limits = match flags & 2 {
        0 => Limits::default(),
        _ => small(),
    };
    for chunks in [vec![input], pieces(input, seed)] {
        let mut chunks: Vec<Vec<u8>> = chunks.iter().map(|chunk| chunk.to_vec()).collect();
        let mut handshake = new();
        let (_, usage) = measure(|| {
            for chunk in &mut chunks {
                let event = handshake.handle_input(Instant::ZERO, chunk).event;
                if event == Some(ClientEvent::Open) {
                    break;
                }
            }
            handshake.handle_eof(Instant::ZERO)
        });
        let most = limits.request_line + limits.head + limits.body + 8;
        let received = input.len().min(most);
        assert_bounded(
            usage.peak,
            2 * received + 1024,
            format_args!("{} received", input.len()),
        );
    }
}

fn client_request(flags: u8) -> ClientRequest {
    let mut request = ClientRequest::new("h", "/ws").expect("a request");
    if flags & 1 != 0 {
        let offer = request.protocol("chat").expect("a token");
        request = offer.protocol("echo").expect("a token");
    }
    if flags & 2 != 0 {
        request = request.limits(small());
    }
    request
}

/// A final response that comes first is one for httparse as well.
fn second_opinion_on_response(input: &[u8], status: u16) {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Response::new(&mut fields);
    let parse = parsed.parse(input);
    if is_later_version(&parse) {
        return;
    }
    assert!(
        matches!(parse, Ok(httparse::Status::Complete(_))),
        "{parse:?}"
    );
    let code = parsed.code.expect("a status");
    assert!(code == status || (100..=199).contains(&code), "{code}");
}

/// Whether httparse stops at the version: it knows 1.0 and 1.1, where RFC 9110
/// section 2.5 has a later minor version read as the latest that is known.
fn is_later_version(parse: &httparse::Result<usize>) -> bool {
    matches!(parse, Err(httparse::Error::Version))
}

/// Everything but how many bytes had been given, which a cut does change.
fn assert_same(cut: &Outcome, whole: &Outcome) {
    let decided_at = whole.decided_at;
    let cut = Outcome {
        decided_at,
        ..cut.clone()
    };
    assert_eq!(&cut, whole);
}

/// The input in pieces whose sizes `seed` chooses.
fn pieces(mut input: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut random = Random::new(seed.into());
    let mut pieces = Vec::new();
    while !input.is_empty() {
        let scale = 1 + random.below(9);
        let (piece, rest) = input.split_at((1 + random.below(1 << scale)).min(input.len()));
        pieces.push(piece);
        input = rest;
    }
    pieces
}
