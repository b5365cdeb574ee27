//! Rules on code.

use super::{File, is_product, product_lines};

/// Lines of a function, signature and braces included.
const FUNCTION: usize = 70;
/// Lines of a file without its tests.
const FILE: usize = 800;

fn product(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|file| is_product(&file.path))
}

/// Every Rust file opens with `//!`, but for tests laid beside the module they test.
pub fn documented(files: &[File]) -> Vec<String> {
    let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
    let rust = rust.filter(|file| is_product(&file.path) || !file.path.contains("/src/"));
    let silent = rust.filter(|file| !file.text.starts_with("//!"));
    silent.map(|file| format!("{}: begin with `//!`", file.path)).collect()
}

/// No function outside tests is longer than [`FUNCTION`].
pub fn short_functions(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in product(files) {
        for (name, at, lines) in functions(&file.text).filter(|(_, _, lines)| *lines > FUNCTION) {
            found.push(format!("{}:{at}: {name} has {lines} lines, not {FUNCTION}", file.path));
        }
    }
    found
}

/// No file is longer than [`FILE`] before its tests.
pub fn short_files(files: &[File]) -> Vec<String> {
    let counted = product(files).map(|file| (file, product_lines(&file.text).count()));
    let long = counted.filter(|(_, lines)| *lines > FILE);
    long.map(|(file, lines)| format!("{}: {lines} lines, not {FILE}", file.path)).collect()
}

/// No marks of unfinished work.
pub fn finished(files: &[File]) -> Vec<String> {
    // Spelt apart, so that this file passes its own rule.
    let marks =
        [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X:"), concat!("dbg", "!(")];
    let mut found = Vec::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            for mark in marks.iter().filter(|mark| line.contains(*mark)) {
                found.push(format!("{}:{}: {mark}", file.path, at + 1));
            }
        }
    }
    found
}

/// Name, first line and length of each function. Leans on rustfmt: a function that does not end on
/// its first line ends with a brace at the same depth.
fn functions(text: &str) -> impl Iterator<Item = (&str, usize, usize)> {
    let lines: Vec<(usize, &str)> = product_lines(text).collect();
    let mut all = Vec::new();
    for (index, (at, line)) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let ends = |other: &str| {
            let body = other.trim_start();
            depth(other) == depth(line) && (body == "}" || body.ends_with(';'))
        };
        let whole = line.ends_with('}') || line.ends_with(';');
        let rest = lines.iter().skip(index + 1).position(|(_, line)| ends(line));
        all.push((name, *at, if whole { 1 } else { rest.map_or(1, |n| n + 2) }));
    }
    all.into_iter()
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn function_name(line: &str) -> Option<&str> {
    let mut words = line.trim_start().split(' ');
    let before = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern"];
    let at = words.find(|word| !before.contains(word))?;
    let name = if at == "fn" { words.next()? } else { return None };
    name.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_measured_from_its_signature_to_its_brace() {
        let text = "impl A {\n    pub async fn long(\n        a: u8,\n    ) -> u8 {\n        if x {\n        }\n    }\n\n    fn one() {}\n    fn ask();\n}\n#[cfg(test)]\nfn test() {\n}\n";
        let found: Vec<_> = functions(text).collect();
        assert_eq!(found, [("long", 2, 6), ("one", 9, 1), ("ask", 10, 1)]);
    }
}
