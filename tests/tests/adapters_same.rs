//! The two adapters differ only where the runtime does: most of their files are
//! the same text, and the others hold little more than what names the runtime.
//! T22 and T23: what they depend on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// These are the same text, but for the name of the crate in their examples.
const SAME: [&str; 7] = [
    "client.rs",
    "engineio_client.rs",
    "keys.rs",
    "server.rs",
    "socket.rs",
    "tcp.rs",
    "trace.rs",
];

/// These name the runtime, in so many lines of the one or the other.
const ALIKE: [(&str, usize); 5] = [
    ("engineio.rs", 50),
    // With what spares tokio's timer to be told of its waker again, 11 lines: 2 % of
    // the instructions for a message that comes alone.
    ("io.rs", 36),
    ("net.rs", 90),
    ("stream.rs", 10),
    ("tls.rs", 1),
];

/// `lib.rs` is documentation, and these are for what the other runtime has not.
const OWN: [&str; 5] = [
    "lib.rs",
    "axum.rs",
    "upgrade.rs",
    "half_close.rs",
    "bridge.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn source(adapter: &str, file: &str) -> String {
    let path = root().join(adapter).join("src").join(file);
    let text = fs::read_to_string(path).unwrap();
    let own_name = format!("sockeye_{}", &adapter["adapter-".len()..].replace('-', "_"));
    text.replace(&own_name, "sockeye_adapter")
}

fn files(adapter: &str) -> BTreeSet<String> {
    let files = fs::read_dir(root().join(adapter).join("src")).unwrap();
    files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// How many lines `a` has that `b` has not.
fn lines_of_its_own(a: &str, b: &str) -> usize {
    let mut count = BTreeMap::<&str, isize>::new();
    a.lines()
        .for_each(|line| *count.entry(line).or_default() += 1);
    b.lines()
        .for_each(|line| *count.entry(line).or_default() -= 1);
    let more = count.into_values().filter(|more| *more > 0);
    more.sum::<isize>().unsigned_abs()
}

#[test]
fn what_names_no_runtime_is_the_same_text() {
    for file in SAME {
        let [tokio, other] = ["adapter-tokio", "adapter-async-std"].map(|it| source(it, file));
        assert!(tokio == other, "{file} differs");
        let names = [
            "tokio::",
            "async_std::",
            "async_io::",
            "smol::",
            "futures_io::",
        ];
        for name in names {
            assert!(!tokio.contains(name), "{file} names {name}");
        }
    }
}

#[test]
fn what_names_the_runtime_is_little() {
    for (file, most) in ALIKE {
        let [tokio, other] = ["adapter-tokio", "adapter-async-std"].map(|it| source(it, file));
        for (a, b) in [(&tokio, &other), (&other, &tokio)] {
            let own = lines_of_its_own(a, b);
            assert!(own <= most, "{own} lines of {file}");
        }
    }
}

#[test]
fn every_file_is_looked_at() {
    let all = files("adapter-tokio")
        .into_iter()
        .chain(files("adapter-async-std"));
    let alike = ALIKE.map(|(file, _)| file);
    let known: BTreeSet<&str> = SAME.into_iter().chain(alike).chain(OWN).collect();
    for file in all {
        assert!(known.contains(&*file), "{file} is not compared");
    }
}

fn manifest(path: &str) -> toml::Table {
    let text = fs::read_to_string(root().join(path)).unwrap();
    toml::from_str(&text).unwrap()
}

/// RUSTSEC-2026-0007: an overflow in `BytesMut::reserve` before 1.11.1.
#[test]
fn t22_bytes_is_a_sound_version() {
    let workspace = manifest("Cargo.toml");
    let version = workspace["workspace"]["dependencies"]["bytes"]["version"].as_str();
    assert_eq!(version, Some("1.11.1"), "also the least that resolves");
    assert!(
        fs::read_to_string(root().join("deny.toml"))
            .unwrap()
            .contains("bytes:<1.11.1")
    );
    for package in ["core", "adapter-tokio", "adapter-async-std"] {
        let manifest = manifest(&format!("{package}/Cargo.toml"));
        if let Some(bytes) = manifest["dependencies"].get("bytes") {
            assert_eq!(bytes["workspace"].as_bool(), Some(true), "{package}");
        }
    }
}

/// Random numbers come from the operating system by way of `getrandom`, and from
/// a bare generator: nothing that logs, and nothing in the core at all.
#[test]
fn t23_nothing_depends_on_rand() {
    let lock = manifest("Cargo.lock");
    let packages: BTreeMap<&str, &toml::Value> = lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["name"].as_str().unwrap(), package))
        .collect();
    for (crate_name, path) in [
        ("sockeye", "core"),
        ("sockeye-tokio", "adapter-tokio"),
        ("sockeye-async-std", "adapter-async-std"),
    ] {
        // Not what only its tests depend on.
        let manifest = manifest(&format!("{path}/Cargo.toml"));
        let dependencies = manifest["dependencies"].as_table().unwrap();
        let mut known: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
        known.remove("sockeye");
        let mut open: Vec<&str> = known.iter().copied().collect();
        while let Some(name) = open.pop() {
            let Some(needs) = packages[name].get("dependencies") else {
                continue;
            };
            for needed in needs.as_array().unwrap() {
                // A version follows where there are several.
                let needed = needed.as_str().unwrap().split(' ').next().unwrap();
                if known.insert(needed) {
                    open.push(needed);
                }
            }
        }
        assert!(!known.contains("rand"), "{crate_name}");
        let draws = known.contains("getrandom");
        assert_eq!(draws, crate_name != "sockeye", "{crate_name}");
    }
}
