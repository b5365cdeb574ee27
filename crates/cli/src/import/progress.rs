//! How far an import has come: for people on a terminal, and for going on after a stop.
//!
//! Rule: the file holds names of files and counts, never a key or anything made of one.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::source::Sources;
use crate::failure::Failure;

/// How far it has come.
pub struct Progress {
    /// What became of what was found.
    pub counts: Counts,
    bar: ProgressBar,
    /// Where it is kept, and which files it is of.
    kept: Option<(PathBuf, Value)>,
    /// Keys that the server has answered for.
    answered: u64,
}

impl Progress {
    /// From the start, or from where the file says that it was stopped.
    pub fn begin(file: Option<&Path>, sources: &Sources) -> Result<Progress, Failure> {
        let bar = bar(sources.bytes());
        let fresh = |kept| {
            let counts = Counts::default();
            Progress { counts, bar: bar.clone(), kept, answered: 0 }
        };
        let Some(path) = file else { return Ok(fresh(None)) };
        let files = of_files(sources)?;
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(fresh(Some((path.to_owned(), files))));
            }
            Err(error) => return Err(cannot("read", path, &error)),
        };
        let kept: Value = serde_json::from_slice(&text).unwrap_or_default();
        let (Some(answered), true) = (kept["answered"].as_u64(), kept["files"] == files) else {
            return Err(Failure::setting(format!(
                "{} does not tell of an import of these very files; remove it to begin anew",
                path.display()
            )));
        };
        let mut progress = fresh(Some((path.to_owned(), files)));
        progress.answered = answered;
        progress.counts = Counts::read(&kept["counts"]);
        Ok(progress)
    }

    /// Keys that the server had answered for before the stop.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// So many bytes are read.
    pub fn read(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// The server has answered for some more keys.
    pub fn chunk(&mut self, keys: u64) -> Result<(), Failure> {
        self.answered += keys;
        self.bar.set_message(self.counts.short());
        let Some((path, files)) = &self.kept else { return Ok(()) };
        let told = json!({
            "answered": self.answered, "files": files, "counts": self.counts.json(),
        });
        replace(path, told.to_string().as_bytes()).map_err(|error| cannot("write", path, &error))
    }

    /// Does something while nothing is drawn.
    pub fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        self.bar.suspend(act)
    }

    /// All is done: nothing is left to go on with.
    pub fn end(self) -> Result<Counts, Failure> {
        self.bar.finish_and_clear();
        if let Some((path, _)) = &self.kept
            && let Err(error) = std::fs::remove_file(path)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(cannot("remove", path, &error));
        }
        Ok(self.counts)
    }
}

/// What became of what was found.
#[derive(Debug, Clone, Default)]
pub struct Counts([u64; WORDS.len()]);

impl Counts {
    /// So many more became this.
    pub fn add(&mut self, word: &str, more: u64) {
        if let Some(at) = WORDS.iter().position(|known| *known == word) {
            self.0[at] += more;
        }
    }

    /// Those that were not taken.
    pub fn missed(&self) -> u64 {
        self.named().filter(|(word, _)| !TAKEN.contains(word)).map(|(_, count)| count).sum()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        self.named()
            .map(|(word, count)| (word.to_owned(), count.into()))
            .collect::<Map<_, _>>()
            .into()
    }

    /// For people, at the end.
    pub fn sentence(&self) -> String {
        let told = self.named().filter(|(word, count)| *count > 0 || *word == "added");
        let told: Vec<_> = told.map(|(word, count)| format!("{count} {word}")).collect();
        format!("{}\n", told.join(", "))
    }

    fn short(&self) -> String {
        format!("{} added, {} not taken", self.0[0], self.missed())
    }

    fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        WORDS.into_iter().zip(self.0)
    }

    fn read(told: &Value) -> Counts {
        Counts(WORDS.map(|word| told[word].as_u64().unwrap_or(0)))
    }
}

fn of_files(sources: &Sources) -> Result<Value, Failure> {
    let file = |(name, bytes): (String, Option<u64>)| match bytes {
        Some(bytes) => Ok(json!({ "file": name, "bytes": bytes })),
        None => Err(Failure::setting("standard input cannot be read again: --resume needs files")),
    };
    sources.named().map(file).collect::<Result<Vec<_>, _>>().map(Value::from)
}

fn bar(bytes: Option<u64>) -> ProgressBar {
    let (bar, form) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), "[{bar:40}] {percent}%, {eta} left, {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
    };
    // The forms above are sound; were one not, the bar would look as the library likes it.
    match ProgressStyle::with_template(form) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

/// Whole or not at all.
fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::Run(format!("Cannot {what} {}: {error}.", path.display()))
}

/// All that can become of something that looked like a key.
const WORDS: [&str; 9] =
    ["added", "known", "double", "withdrawn", "full", "bad", "refused", "unchecked", "failed"];
/// Those of them that are as they should be.
const TAKEN: [&str; 3] = ["added", "known", "double"];
