//! The files that keys are read from, one after another.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::scan::{Found, Scan};
use crate::export;
use crate::failure::Failure;

/// Where something was found.
pub struct Place {
    /// In which file, as it was named.
    pub file: String,
    /// In which line, from 1.
    pub line: u64,
}

/// Some files; `-` is standard input.
pub struct Sources {
    files: Vec<(PathBuf, Option<u64>)>,
    passphrase: Option<Zeroizing<String>>,
}

impl Sources {
    /// Of these names; each is looked at before any is read.
    pub fn of(names: &[PathBuf]) -> Result<Sources, Failure> {
        let file = |name: &PathBuf| {
            if is_standard_input(name) {
                return Ok((name.clone(), None));
            }
            let seen = std::fs::metadata(name).map_err(|error| unreadable(name, &error))?;
            Ok((name.clone(), Some(seen.len())))
        };
        let files = names.iter().map(file).collect::<Result<_, Failure>>()?;
        Ok(Sources { files, passphrase: None })
    }

    /// Opens with it what an export has sealed.
    pub fn with_passphrase(self, passphrase: Option<Zeroizing<String>>) -> Sources {
        Sources { passphrase, ..self }
    }

    /// Their names and lengths; a length that is not known makes it impossible to go on later.
    pub fn named(&self) -> impl Iterator<Item = (String, Option<u64>)> {
        self.files.iter().map(|(name, bytes)| (name.display().to_string(), *bytes))
    }

    /// All bytes, where that is known.
    pub fn bytes(&self) -> Option<u64> {
        self.files.iter().map(|(_, bytes)| *bytes).sum()
    }

    fn open(&self, name: &Path) -> Result<Box<dyn Read>, Failure> {
        let mut input = open(name)?;
        let mut head = Vec::new();
        let cannot = |error| unreadable(name, &error);
        input.by_ref().take(LOOK).read_to_end(&mut head).map_err(cannot)?;
        if !export::is_sealed(&head) {
            return Ok(Box::new(std::io::Cursor::new(Zeroizing::new(head)).chain(input)));
        }
        input.take(LARGEST_SEALED).read_to_end(&mut head).map_err(cannot)?;
        let text = export::unsealed(&head, self.passphrase.as_ref().map(|text| text.as_str()))?;
        Ok(Box::new(Unsealed { text, at: 0 }))
    }

    /// Reads all of them, and tells what is found, where, and how many bytes were read by then.
    pub fn read(
        &self,
        tell: &mut impl FnMut(Place, Found, u64) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut read = 0;
        for (name, _) in &self.files {
            let file = name.display().to_string();
            let mut tell = |found: &mut Vec<(u64, Found)>, read| {
                found
                    .drain(..)
                    .try_for_each(|(line, one)| tell(Place { file: file.clone(), line }, one, read))
            };
            let (mut scan, mut found) = (Scan::default(), Vec::new());
            let mut piece = Zeroizing::new(vec![0; PIECE]);
            let mut input = self.open(name)?;
            loop {
                let got = input.read(&mut piece).map_err(|error| unreadable(name, &error))?;
                if got == 0 {
                    break;
                }
                read += got as u64;
                scan.read(&piece[..got], &mut found);
                tell(&mut found, read)?;
            }
            scan.end(&mut found);
            tell(&mut found, read)?;
        }
        Ok(())
    }
}

/// What an export has sealed, in the clear again.
struct Unsealed {
    text: Zeroizing<Vec<u8>>,
    at: usize,
}

impl Read for Unsealed {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = (&self.text[self.at..]).read(into)?;
        self.at += read;
        Ok(read)
    }
}

fn open(name: &Path) -> Result<Box<dyn Read>, Failure> {
    if is_standard_input(name) {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    Ok(Box::new(File::open(name).map_err(|error| unreadable(name, &error))?))
}

fn is_standard_input(name: &Path) -> bool {
    name.as_os_str() == "-"
}

fn unreadable(name: &Path, error: &std::io::Error) -> Failure {
    Failure::Run(format!("Cannot read {}: {error}.", name.display()))
}

/// As much as says whether a file is sealed.
const LOOK: u64 = 128;
/// A sealed file is opened as a whole: a million keys and some.
const LARGEST_SEALED: u64 = 128 << 20;
/// Bytes read at once.
const PIECE: usize = 64 << 10;
