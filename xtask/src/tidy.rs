//! The house rules that no compiler knows: size, shape, and that the papers tell the truth.
//!
//! Each rule is a function from the repository's files to findings; [`RULES`] is their list.

mod papers;
mod source;

use crate::Result;
use crate::shell::{output, program, root};

/// A file's path from the root, and its text.
pub struct File {
    path: String,
    text: String,
}

type Rule = fn(&[File]) -> Vec<String>;

const RULES: [(&str, Rule); 7] = [
    ("every module says why it exists", source::documented),
    ("functions fit a screen", source::short_functions),
    ("files fit a head", source::short_files),
    ("nothing is left for later", source::finished),
    ("ARCHITECTURE.md names every crate", papers::map_is_whole),
    ("README speaks the same in both languages", papers::readmes_agree),
    ("links lead somewhere", papers::links_resolve),
];

/// `cargo xtask tidy`.
pub fn run() -> Result {
    let files = read()?;
    let mut count = 0;
    for (name, rule) in RULES {
        let found = rule(&files);
        count += found.len();
        println!("{} {name}", if found.is_empty() { "ok  " } else { "FAIL" });
        for finding in found {
            println!("       {finding}");
        }
    }
    if count == 0 { Ok(()) } else { Err(format!("{count} findings")) }
}

/// Every file of the repository that git knows or would add.
pub fn files() -> Result<Vec<String>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let mut all: Vec<String> =
        output(program("git").args(arguments))?.lines().map(str::to_owned).collect();
    all.retain(|path| root().join(path).is_file());
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// True for Rust that ships, not for tests, benches and examples.
pub fn is_product(path: &str) -> bool {
    path.ends_with(".rs") && path.contains("/src/") && !path.ends_with("tests.rs")
}

/// The numbered lines before a file's tests.
pub fn product_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    numbered.take_while(|(_, line)| *line != "#[cfg(test)]")
}

fn read() -> Result<Vec<File>> {
    let known = [".rs", ".md", ".toml", ".py", ".mjs", ".sh", ".sql"];
    let mut read = Vec::new();
    for path in files()?.into_iter().filter(|path| known.iter().any(|end| path.ends_with(end))) {
        let text =
            std::fs::read_to_string(root().join(&path)).map_err(|e| format!("{path}: {e}"))?;
        read.push(File { path, text });
    }
    Ok(read)
}
