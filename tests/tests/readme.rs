//! What the documents at the root say is so: tables, paths, names of tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::time::Duration;

use sockeye::driver::engineio::{Options, client};
use sockeye::websocket::handshake::{Limits, Origins, ServerOptions};
use sockeye::websocket::{Config, Receive};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The name of each limit, its value as `Debug` has it, and as the README has it.
type Row = (&'static str, &'static str, &'static str);

const CONFIG: &[Row] = &[
    ("max_message", "1048576", "1 MiB"),
    ("max_stream", "1073741824", "1 GiB"),
    (
        "max_fragments",
        "None",
        "one for each 64 bytes of the message limit, at least 16 384",
    ),
    ("max_outgoing", "1048576", "1 MiB"),
    (
        "keepalive",
        "Some(Keepalive { interval: 20s, timeout: 20s })",
        "20 s, 20 s",
    ),
    ("stall_timeout", "Some(30s)", "30 s"),
    ("close_timeout", "5s", "5 s"),
    ("idle_timeout", "None", "none"),
    ("message_timeout", "None", "none"),
];

/// Fields of the configuration that limit nothing.
const CHOICES: &[&str] = &["receive", "auto_pong"];

const HANDSHAKE: &[Row] = &[
    ("request_line", "8192", "8 KiB"),
    ("head", "16384", "16 KiB"),
    ("fields", "100", "100"),
    ("informational", "8", "8"),
    ("body", "65536", "64 KiB"),
    ("timeout", "10s", "10 s"),
];

#[test]
fn every_limit_is_listed_with_its_default() {
    let readme = read("README.md");
    for (heading, rows, values, choices) in [
        (
            "of a connection",
            CONFIG,
            fields(Config::default()),
            CHOICES,
        ),
        ("of a handshake", HANDSHAKE, fields(Limits::default()), &[]),
    ] {
        let names = rows
            .iter()
            .map(|(name, ..)| *name)
            .chain(choices.iter().copied());
        let known: BTreeSet<&str> = names.collect();
        let found: BTreeSet<&str> = values.keys().map(String::as_str).collect();
        assert_eq!(known, found, "the limits {heading}");
        for (name, value, _) in rows {
            assert_eq!(values[*name], *value, "{name}");
        }
        let said: BTreeMap<String, String> = table(&readme, heading)
            .map(|cells| (cells[0].trim_matches('`').to_owned(), cells[2].clone()))
            .collect();
        let expected = rows
            .iter()
            .map(|(name, _, text)| (name.to_string(), text.to_string()));
        assert_eq!(said, expected.collect(), "the limits {heading}");
    }
    assert_eq!(Config::default().max_fragments(Receive::Messages), 16_384);
    assert_eq!(Config::default().max_fragments(Receive::Chunks), 1 << 24);
    let options = ServerOptions::new(Origins::Any);
    assert_eq!(options.limits, Limits::default());
    assert!(!options.require_origin);
}

#[test]
fn every_limit_of_an_engine_io_server_has_its_default() {
    let options = Options::new(Origins::Any);
    let session = &options.session;
    let seconds = Duration::from_secs;
    let rows = [
        ("max_sessions", options.max_sessions == 65_536, "65 536"),
        ("max_packets", options.max_packets == 16_384, "16 384"),
        ("body_timeout", options.body_timeout == seconds(30), "30 s"),
        (
            "session.max_payload",
            session.max_payload == 1_000_000,
            "1 000 000",
        ),
        (
            "session.queue.bytes",
            session.queue.bytes == 1 << 20,
            "1 MiB",
        ),
        (
            "session.queue.messages",
            session.queue.messages == 16_384,
            "16 384",
        ),
        (
            "session.ping_interval",
            session.ping_interval == seconds(25),
            "25 s",
        ),
        (
            "session.ping_timeout",
            session.ping_timeout == seconds(20),
            "20 s",
        ),
        (
            "session.upgrade_timeout",
            session.upgrade_timeout == seconds(10),
            "10 s",
        ),
        (
            "session.close_timeout",
            session.close_timeout == seconds(30),
            "30 s",
        ),
    ];
    are_listed("of an Engine.IO server", &rows);
}

#[test]
fn every_limit_of_an_engine_io_client_has_its_default() {
    let options = client::Options::default();
    let session = &options.session;
    let queue = &session.queue;
    let seconds = Duration::from_secs;
    let million = (
        options.max_payload == 1_000_000,
        session.max_payload == 1_000_000,
    );
    let rows = [
        ("max_payload", million.0, "1 000 000"),
        ("max_packets", options.max_packets == 16_384, "16 384"),
        ("session.max_payload", million.1, "1 000 000"),
        (
            "session.max_packets",
            session.max_packets == 16_384,
            "16 384",
        ),
        ("session.queue.bytes", queue.bytes == 1 << 20, "1 MiB"),
        ("session.queue.messages", queue.messages == 16_384, "16 384"),
        (
            "session.open_timeout",
            session.open_timeout == seconds(20),
            "20 s",
        ),
        (
            "session.upgrade_timeout",
            session.upgrade_timeout == seconds(10),
            "10 s",
        ),
        (
            "session.close_timeout",
            session.close_timeout == seconds(5),
            "5 s",
        ),
    ];
    are_listed("of an Engine.IO client", &rows);
}

/// The table lists these, in this order, and so it is.
fn are_listed(heading: &str, rows: &[(&str, bool, &str)]) {
    let said: Vec<(String, String)> = table(&read("README.md"), heading)
        .map(|cells| (cells[0].trim_matches('`').to_owned(), cells[2].clone()))
        .collect();
    let expected = rows.iter().map(|(name, is_so, text)| {
        assert!(is_so, "{name}");
        ((*name).to_owned(), (*text).to_owned())
    });
    assert_eq!(said, expected.collect::<Vec<_>>());
}

#[test]
fn the_oldest_rust_is_named() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let version = manifest["workspace"]["package"]["rust-version"].as_str();
    let said = format!("Rust {} or later", version.unwrap());
    for readme in [
        "README.md",
        "adapter-tokio/README.md",
        "adapter-async-std/README.md",
    ] {
        let words: Vec<String> = read(readme).split_whitespace().map(str::to_owned).collect();
        assert!(words.join(" ").contains(&said), "{readme}");
    }
}

#[test]
fn every_feature_is_listed() {
    let readme = read("README.md");
    let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut package = String::new();
    for cells in table(&readme, "crate") {
        if let [name] = &quoted(&cells[0])[..] {
            package.clone_from(name);
        }
        let features = said.entry(package.clone()).or_default();
        features.extend(quoted(&cells[1]));
    }
    for (package, folder) in [
        ("sockeye", "core"),
        ("sockeye-tokio", "adapter-tokio"),
        ("sockeye-async-std", "adapter-async-std"),
    ] {
        let manifest: toml::Table = read(&format!("{folder}/Cargo.toml")).parse().unwrap();
        let features = manifest["features"].as_table().unwrap().keys().cloned();
        let features: BTreeSet<String> = features.filter(|name| name != "default").collect();
        assert_eq!(said.remove(package), Some(features), "{package}");
    }
    assert!(said.is_empty(), "{said:?}");
}

/// Paths that are named exist, and the tests that are named are in one of the
/// files that the same line names.
#[test]
fn what_the_documents_name_exists() {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ] {
        for line in read(document).lines() {
            let words = quoted(line);
            let is_path = |word: &&String| word.contains('/') && !word.contains([':', ' ', '*']);
            let (mut paths, words): (Vec<_>, Vec<_>) = words.iter().partition(is_path);
            let links = links(line);
            paths.extend(&links);
            paths.retain(|path| !path.starts_with("target/"));
            let mut files = vec![read("tests/tests/readme.rs")];
            for path in paths {
                let known = ["", "core/src/"].map(|root| format!("{ROOT}/{root}{path}"));
                let path = known.iter().find(|path| Path::new(path).exists());
                let path = path.unwrap_or_else(|| panic!("{document}: {known:?}"));
                files.extend(fs::read_to_string(path).ok());
            }
            let is_test = |word: &&String| word.matches('_').count() > 2;
            for test in words.into_iter().filter(is_test) {
                let function = format!("fn {test}(");
                let found = files.iter().any(|file| file.contains(&function));
                assert!(found, "{document}: {test}");
            }
        }
    }
}

#[test]
fn core_depends_on_what_it_says() {
    let manifest: toml::Table = read("core/Cargo.toml").parse().unwrap();
    let is_optional = |entry: &toml::Value| entry.get("optional").is_some();
    let always: BTreeSet<String> = manifest["dependencies"]
        .as_table()
        .unwrap()
        .iter()
        .filter(|(_, entry)| !is_optional(entry))
        .map(|(name, _)| name.clone())
        .collect();
    for document in ["CONTRIBUTING.md", "SECURITY.md"] {
        let text = read(document);
        let sentence = text.split(". ").flat_map(|text| text.split(".\n"));
        let mut sentence = sentence.flat_map(|text| text.split("; "));
        let sentence = sentence.find(|text| text.to_lowercase().contains("core depends on"));
        let said: BTreeSet<String> = quoted(sentence.unwrap()).into_iter().collect();
        assert_eq!(said, always, "{document}");
    }
}

/// A file of the project.
fn read(path: &str) -> String {
    let path = format!("{ROOT}/{path}");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The cells of the table whose first heading is `heading`.
fn table<'t>(text: &'t str, heading: &str) -> impl Iterator<Item = Vec<String>> + 't {
    let start = format!("| {heading} |");
    let lines = text
        .lines()
        .skip_while(move |line| !line.starts_with(&start));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells = row.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().to_owned()).collect()
    })
}

/// What links lead to, save for other places and parts of a page.
fn links(line: &str) -> Vec<String> {
    let links = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next());
    let inside = links.filter(|link| !link.contains(':') && !link.is_empty());
    inside.map(str::to_owned).collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The fields of a struct with their values, by its `Debug`.
fn fields(value: impl Debug) -> BTreeMap<String, String> {
    let text = format!("{value:?}");
    let (_, text) = text.split_once(" { ").unwrap();
    let text = text.strip_suffix(" }").unwrap();
    let mut fields: Vec<String> = Vec::new();
    let mut depth = 0;
    for part in text.split(", ") {
        match fields.last_mut().filter(|_| depth > 0) {
            Some(field) => *field += &format!(", {part}"),
            None => fields.push(part.to_owned()),
        }
        depth += part.matches('{').count();
        depth -= part.matches('}').count();
    }
    let pair = |field: String| {
        let (name, value) = field.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    };
    fields.into_iter().map(pair).collect()
}
