//! The proof that core and gemini do no I/O, know no clock and keep no globals.
//!
//! Two looks at each: its dependency tree holds no crate that could, and its own sources name
//! nothing of the standard library that does.

use crate::shell::{cargo, output, root};
use crate::{Result, tidy};
use std::collections::BTreeSet;

const PURE: [(&str, &str); 2] =
    [("potluck-core", "crates/core/"), ("potluck-gemini", "crates/gemini/")];

/// Crates that bring I/O, a clock, randomness or a runtime.
const CRATES: [&str; 18] = [
    "async-std",
    "chrono",
    "fastrand",
    "getrandom",
    "hyper",
    "hyper-util",
    "libsqlite3-sys",
    "mio",
    "parking_lot",
    "rand",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "time",
    "tokio",
    "tracing",
];

/// What the standard library, and jiff (there for Google's midnight alone), have of them.
const NAMES: [&str; 19] = [
    "std::env",
    "std::fs",
    "std::io::std",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::thread",
    "SystemTime",
    "TimeZone::get(",
    "TimeZone::system",
    "::now(",
    "time::Instant",
    "RandomState",
    "thread_local!",
    "static mut",
    "OnceLock",
    "LazyLock",
    "println!",
    "unsafe ",
];

/// `cargo xtask test --only pure`.
pub fn run() -> Result {
    let mut found = Vec::new();
    for (krate, folder) in PURE {
        found.extend(tree(krate)?);
        found.extend(sources(folder)?);
    }
    for finding in &found {
        println!("{finding}");
    }
    if found.is_empty() { Ok(()) } else { Err(format!("{} impurities", found.len())) }
}

fn tree(krate: &str) -> Result<Vec<String>> {
    let all = output(cargo().args(["tree", "-p", krate, "-e", "normal", "--prefix", "none"]))?;
    let names: BTreeSet<&str> = all.lines().filter_map(|line| line.split(' ').next()).collect();
    println!("{krate}: {} crates in its tree", names.len());
    Ok(CRATES
        .iter()
        .filter(|banned| names.contains(*banned))
        .map(|banned| format!("{krate} depends on {banned}: `cargo tree -p {krate} -i {banned}`"))
        .collect())
}

fn sources(folder: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in tidy::files()?.iter().filter(|f| f.starts_with(folder) && tidy::is_product(f)) {
        let text =
            std::fs::read_to_string(root().join(file)).map_err(|e| format!("{file}: {e}"))?;
        for (at, line) in tidy::product_lines(&text).filter(|(_, l)| !l.trim().starts_with("//")) {
            for name in NAMES.iter().filter(|name| line.contains(*name)) {
                found.push(format!("{file}:{at}: {name}"));
            }
        }
    }
    Ok(found)
}
