//! The files that keys are read from, one after another.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::scan::{Found, Scan};
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
        Ok(Sources { files: names.iter().map(file).collect::<Result<_, Failure>>()? })
    }

    /// Their names and lengths; a length that is not known makes it impossible to go on later.
    pub fn named(&self) -> impl Iterator<Item = (String, Option<u64>)> {
        self.files.iter().map(|(name, bytes)| (name.display().to_string(), *bytes))
    }

    /// All bytes, where that is known.
    pub fn bytes(&self) -> Option<u64> {
        self.files.iter().map(|(_, bytes)| *bytes).sum()
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
            let mut input = open(name)?;
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

/// Bytes read at once.
const PIECE: usize = 64 << 10;
