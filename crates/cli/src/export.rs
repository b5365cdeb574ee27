//! `potluck keys export`: all keys in a file, sealed under a passphrase, for another server to import.
//!
//! Rule: keys are in the clear in this process's memory alone. Who has the file and not the passphrase
//! has nothing; who changes a byte of it is noticed.

use std::io::Write;
use std::path::Path;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::pbkdf2;
use potluck_server::copies::sealed_keys;
use potluck_vault::Vault;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::flags::Export;
use crate::layers::Env;
use crate::{place, secrets};

/// Writes the file, and says how many keys are in it.
pub fn export(wanted: &Export, env: &Env, out: &mut impl Write) -> Result<(), Failure> {
    let data = place::data(wanted.data.as_ref(), env)?;
    let Some(passphrase) = passphrase(env)? else {
        return Err(Failure::setting(NO_PASSPHRASE));
    };
    let master = secrets::master_key(env, &data)?;
    let master = master.ok_or_else(|| Failure::setting("there is no master key for this data"))?;
    let vault = Vault::with_older(&master, &secrets::older(env, &data)?);
    let rows = sealed_keys(&data).map_err(|error| Failure::Run(error.to_string()))?;
    let mut keys = Zeroizing::new(String::new());
    for (id, sealed) in &rows {
        let key = vault.open(id, sealed);
        let key = key.map_err(|error| Failure::Run(format!("A key does not open: {error}.")))?;
        keys.push_str(key.expose());
        keys.push('\n');
    }
    write_new(&wanted.out, &seal(keys.as_bytes(), &passphrase)?)?;
    let said = format!(
        "{} keys are in {}, sealed under the passphrase; potluck keys import takes them with it.\n",
        rows.len(),
        wanted.out.display()
    );
    crate::check::print(out, &said)
}

/// Whether a file begins as sealed ones do.
pub fn is_sealed(text: &[u8]) -> bool {
    text.starts_with(HEAD)
}

/// What was sealed.
pub fn unsealed(text: &[u8], passphrase: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let passphrase = passphrase.ok_or_else(|| Failure::setting(NO_PASSPHRASE))?;
    let wrong = || {
        Failure::Run(
            "The sealed file does not open: the passphrase is another, or the file is damaged."
                .to_owned(),
        )
    };
    let rest = text.strip_prefix(HEAD).ok_or_else(wrong)?;
    let (salt, hidden) = rest.split_first_chunk::<SALT>().ok_or_else(wrong)?;
    let mut hidden = Zeroizing::new(hidden.to_vec());
    let key = key(passphrase, salt)?;
    let open = key.open_in_place(once(), Aad::from(HEAD), &mut hidden).map_err(|_| wrong())?;
    let length = open.len();
    hidden.truncate(length);
    Ok(hidden)
}

/// The passphrase, from the environment or a file that it names.
pub fn passphrase(env: &Env) -> Result<Option<Zeroizing<String>>, Failure> {
    let file = format!("{PASSPHRASE}_FILE");
    let text = match (env.text(PASSPHRASE), env.var(&file)) {
        (Some(text), _) => Zeroizing::new(text),
        (None, Some(path)) => std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|error| Failure::setting(format!("{file}: cannot be read: {error}")))?,
        (None, None) => return Ok(None),
    };
    let text = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    match text.chars().count() {
        0..SHORTEST => Err(Failure::setting(format!(
            "{PASSPHRASE}: the passphrase needs {SHORTEST} characters or more"
        ))),
        _ => Ok(Some(text)),
    }
}

fn seal(text: &[u8], passphrase: &str) -> Result<Vec<u8>, Failure> {
    let cannot = || Failure::Run("The keys cannot be sealed.".to_owned());
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|_| cannot())?;
    let mut hidden = Zeroizing::new(text.to_vec());
    let key = key(passphrase, &salt)?;
    let tag = key.seal_in_place_separate_tag(once(), Aad::from(HEAD), &mut hidden);
    let tag = tag.map_err(|_| cannot())?;
    Ok([HEAD, &salt, &hidden, tag.as_ref()].concat())
}

fn key(passphrase: &str, salt: &[u8]) -> Result<LessSafeKey, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt, passphrase.as_bytes(), &mut *bytes);
    let key = UnboundKey::new(&CHACHA20_POLY1305, &*bytes);
    key.map(LessSafeKey::new).map_err(|_| Failure::Run("The passphrase makes no key.".to_owned()))
}

/// A key out of a fresh salt seals one text, so its nonce may be any.
fn once() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// A file of its owner's alone, that is not there yet.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let cannot = |error| Failure::Run(format!("Cannot write {}: {error}.", path.display()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(cannot)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(cannot)
}

/// What a sealed file begins with; it is sealed along with the keys.
const HEAD: &[u8] = b"potluck keys, sealed, 1: pbkdf2-hmac-sha256 600000, chacha20-poly1305\n";
/// Rounds that make a guess cost some tenths of a second, as OWASP has it for this function.
const ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::new(600_000).unwrap();
/// Bytes of salt: a file's own.
const SALT: usize = 16;
/// Fewer characters are guessed.
const SHORTEST: usize = 12;
const PASSPHRASE: &str = "POTLUCK_PASSPHRASE";
const NO_PASSPHRASE: &str =
    "POTLUCK_PASSPHRASE or POTLUCK_PASSPHRASE_FILE: set the passphrase that seals the keys";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_with_its_passphrase_and_unchanged_alone() {
        let sealed = seal(b"a key\n", "correct horse battery").ok().unwrap_or_default();
        assert!(is_sealed(&sealed) && !sealed.windows(5).any(|part| part == b"a key"));
        let opened = unsealed(&sealed, Some("correct horse battery"));
        assert_eq!(opened.ok().map(|text| text.to_vec()), Some(b"a key\n".to_vec()));
        assert!(unsealed(&sealed, Some("correct horse batter")).is_err());
        assert!(unsealed(&sealed, None).is_err());
        let mut changed = sealed.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        assert!(unsealed(&changed, Some("correct horse battery")).is_err());
    }
}
