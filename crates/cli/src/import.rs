//! `potluck keys import`: keys out of whatever file they are in, to a running server.
//!
//! Rule: a key is told by the place it was found at, never by any part of it, and a stop at any
//! moment costs a chunk that is sent again, which is harmless.
//!
//! - [`scan`]: finds keys in any text; [`source`]: the files, one after another;
//! - [`progress`]: what is kept to go on later, and what people see meanwhile.

mod progress;
mod scan;
mod source;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;

use http::Method;
use potluck_gemini::ApiKey;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::flags::import::Import;
use crate::keys::print;
use crate::layers::Env;
use crate::operator::Operator;
use crate::place::operator;
use progress::Progress;
use scan::Found;
use source::{Place, Sources};

/// Brings keys to the server, and says what became of them.
pub fn import(wanted: &Import, env: &Env, out: &mut impl Write) -> Result<(), Failure> {
    let operator = operator(&wanted.at, env)?;
    let sources = Sources::of(&wanted.files)?.with_passphrase(crate::export::passphrase(env)?);
    let progress = Progress::begin(wanted.resume.as_deref(), &sources)?;
    let mut sender = Sender {
        operator,
        check: !wanted.no_check,
        json: wanted.at.json,
        chunk: Vec::new(),
        seen: Seen::default(),
        found: 0,
        gone_before: progress.answered(),
        progress,
        out,
    };
    sources.read(&mut |place, found, read| sender.take(place, found, read))?;
    sender.send()?;
    sender.end()
}

/// Sends keys in chunks as they are found.
struct Sender<'o, W> {
    operator: Operator,
    check: bool,
    json: bool,
    chunk: Vec<(Place, ApiKey)>,
    seen: Seen,
    /// Keys found so far, each once.
    found: u64,
    /// So many of them the server answered for before a stop.
    gone_before: u64,
    progress: Progress,
    out: &'o mut W,
}

impl<W: Write> Sender<'_, W> {
    fn take(&mut self, place: Place, found: Found, read: u64) -> Result<(), Failure> {
        self.progress.read(read);
        // What was told before the stop is not told again.
        let again = self.found < self.gone_before;
        let key = match found {
            Found::Key(key) => key,
            Found::Bad(_) if again => return Ok(()),
            Found::Bad(why) => return self.missed(&place, "bad", why),
        };
        if !self.seen.is_new(&key) {
            self.progress.counts.add("double", u64::from(!again));
            return Ok(());
        }
        self.found += 1;
        if again {
            return Ok(());
        }
        self.chunk.push((place, key));
        let full = if self.check { CHECKED_AT_ONCE } else { AT_ONCE };
        if self.chunk.len() == full { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), Failure> {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.is_empty() {
            return Ok(());
        }
        let mut text = Zeroizing::new(String::with_capacity(chunk.len() * ROOM_FOR_A_KEY));
        for (_, key) in &chunk {
            text.push_str(key.expose());
            text.push('\n');
        }
        let path = if self.check { "/keys?check=true" } else { "/keys" };
        let told = self.operator.ask(Method::POST, path, text.as_bytes().to_vec())?;
        for word in ["added", "known"] {
            self.progress.counts.add(word, told[word].as_u64().unwrap_or(0));
        }
        for line in told["lines"].as_array().into_iter().flatten() {
            self.told(&chunk, line)?;
        }
        self.progress.chunk(chunk.len() as u64)
    }

    /// Passes on what became of a line of a chunk, if it was not taken.
    fn told(&mut self, chunk: &[(Place, ApiKey)], line: &Value) -> Result<(), Failure> {
        let became = line["became"].as_str().unwrap_or_default();
        if matches!(became, "added" | "known") {
            return Ok(());
        }
        let number = line["line"].as_u64().unwrap_or(0) as usize;
        let Some((place, _)) = number.checked_sub(1).and_then(|at| chunk.get(at)) else {
            return Err(Failure::Run("The server tells of a line that was not sent.".into()));
        };
        let why = line["why"].as_str().unwrap_or(crate::keys::why_not(became));
        self.missed(place, became, why)
    }

    fn missed(&mut self, place: &Place, became: &str, why: &str) -> Result<(), Failure> {
        self.progress.counts.add(became, 1);
        let line = match self.json {
            true => json!({ "file": place.file, "line": place.line, "became": became, "why": why })
                .to_string(),
            false => format!("{}:{}: {became}: {why}", place.file, place.line),
        };
        let out = &mut *self.out;
        self.progress.aside(|| print(out, &format!("{line}\n")))
    }

    fn end(self) -> Result<(), Failure> {
        let counts = self.progress.end()?;
        let said = match self.json {
            true => format!("{}\n", counts.json()),
            false => counts.sentence(),
        };
        print(self.out, &said)?;
        match counts.missed() {
            0 if self.found == 0 => Err(Failure::Run("There is no Gemini API key in it.".into())),
            0 => Ok(()),
            missed => Err(Failure::Run(format!("{missed} were not taken."))),
        }
    }
}

/// The keys that were found already, by hashes that no two of them share by chance.
#[derive(Default)]
struct Seen {
    hashers: (RandomState, RandomState),
    hashes: HashSet<(u64, u64)>,
}

impl Seen {
    fn is_new(&mut self, key: &ApiKey) -> bool {
        let text = key.expose();
        self.hashes.insert((self.hashers.0.hash_one(text), self.hashers.1.hash_one(text)))
    }
}

/// Keys sent at once: some tenths of a second of the server's work,
const AT_ONCE: usize = 5_000;
/// and where Google is asked about each, about a second.
const CHECKED_AT_ONCE: usize = 64;
/// The usual keys and their line's end; longer ones make the text grow.
const ROOM_FOR_A_KEY: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_new_once() {
        let key = |n: u8| ApiKey::parse(&format!("AIzaSyTest{n:029}")).unwrap();
        let mut seen = Seen::default();

        let new: Vec<bool> = [1, 2, 1].map(|n| seen.is_new(&key(n))).into();

        assert_eq!(new, [true, true, false]);
    }
}
