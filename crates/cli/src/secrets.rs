//! The two secrets of an operator: where they are, and how they are made when they are nowhere.
//!
//! Rule: a secret is read from the environment or a file, never from a flag, and is printed
//! nowhere. What is made here is on disk, whole and for its owner alone, before it is used; and no
//! master key is made beside a database that an older one sealed.

use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use potluck_server::settings::{Secrets, WebhookSecret};
use potluck_vault::MasterKey;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::layers::Env;

/// Fewer characters can be guessed.
const SHORTEST_TOKEN: usize = 16;
/// It has to fit a header.
const LONGEST_TOKEN: usize = 512;
/// Random bytes of an admin token made here: 256 bits.
const TOKEN_BYTES: usize = 32;
/// Tells a token of ours from a key, so that it never goes to Google.
const TOKEN_PREFIX: &str = "ptk_admin_";
/// A secret is a line of text; more is some other file.
const LARGEST_FILE: u64 = 64 << 10;
/// The folder is its owner's alone.
const FOLDER_MODE: u32 = 0o700;
/// Permission bits of everybody who is neither owner nor of the group.
const OTHERS: u32 = 0o007;
/// Where master keys are that were before, apart from the data folder.
const OLDER: &str = "POTLUCK_MASTER_KEY_OLDER";
/// And in it.
const OLDER_FILE: &str = "master-key.older";
/// Former master keys kept beside: a new one each month for years. Each is tried for each token and each
/// withdrawn key.
const MOST_OLDER: usize = 100;
/// Where the secret of a webhook is.
const WEBHOOK: &str = "POTLUCK_WEBHOOK_SECRET";
/// What every SQLite file begins with.
const SQLITE_HEAD: &[u8; 16] = b"SQLite format 3\0";

/// Which secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lets an operator in.
    AdminToken,
    /// Opens the sealed keys.
    MasterKey,
}

/// Where a secret is, or would be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this variable.
    Variable(String),
    /// In the file that the variable names.
    Named(String, PathBuf),
    /// In the data folder, once it is made.
    Folder(PathBuf),
}

/// The secrets, and what is to be told about them.
pub struct Found {
    /// For the server.
    pub secrets: Secrets,
    /// Files made just now.
    pub made: Vec<(Kind, PathBuf)>,
    /// What is unsafe about where they lie.
    pub doubts: Vec<String>,
}

impl Kind {
    /// Both.
    pub const ALL: [Kind; 2] = [Kind::AdminToken, Kind::MasterKey];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Kind::AdminToken => "admin token",
            Kind::MasterKey => "master key",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Kind::AdminToken => "POTLUCK_ADMIN_TOKEN",
            Kind::MasterKey => "POTLUCK_MASTER_KEY",
        }
    }

    fn file_name(self) -> &'static str {
        match self {
            Kind::AdminToken => "admin-token",
            Kind::MasterKey => "master-key",
        }
    }
}

/// The variables that are looked at.
pub fn variables() -> impl Iterator<Item = String> {
    let kinds = Kind::ALL.into_iter();
    let made = kinds.flat_map(|kind| [kind.variable().to_owned(), file_variable(kind)]);
    let given = [WEBHOOK, OLDER].into_iter();
    made.chain(given.flat_map(|name| [name.to_owned(), format!("{name}_FILE")]))
}

/// Where a secret is to be looked for.
pub fn place(kind: Kind, env: &Env, data: &Path) -> Result<Place, String> {
    let (plain, file) = (kind.variable(), file_variable(kind));
    match (env.var(plain), env.var(&file)) {
        (Some(_), Some(_)) => Err(format!("{plain} and {file} are both set; unset one of them")),
        (Some(_), None) => Ok(Place::Variable(plain.to_owned())),
        (None, Some(path)) => Ok(Place::Named(file, PathBuf::from(path))),
        (None, None) => Ok(Place::Folder(data.join(kind.file_name()))),
    }
}

/// Looks at a secret without making it: `None` where it is still to be made.
pub fn check(kind: Kind, env: &Env, data: &Path) -> Result<Place, String> {
    let place = place(kind, env, data)?;
    if let Some(text) = read(kind, &place, env)? {
        judge(kind, &text).map_err(|phrase| at(&place, &phrase))?;
    }
    Ok(place)
}

/// The master key of the data that is there, if there is one.
pub fn master_key(env: &Env, data: &Path) -> Result<Option<MasterKey>, Failure> {
    let kind = Kind::MasterKey;
    let place = place(kind, env, data).map_err(Failure::setting)?;
    let Some(text) = read(kind, &place, env).map_err(Failure::setting)? else { return Ok(None) };
    let key = MasterKey::parse(&text).map_err(|error| at(&place, &error.to_string()));
    key.map(Some).map_err(Failure::setting)
}

/// The master key in a file of a data folder.
pub fn kept_master_key(path: &Path) -> Result<MasterKey, Failure> {
    let fault = |why: String| Failure::setting(format!("{}: {why}", path.display()));
    let text = read_file(path).map_err(|error| fault(format!("cannot be read: {error}")))?;
    MasterKey::parse(&text).map_err(|error| fault(error.to_string()))
}

/// The master keys that were before: those in the data folder, which `rekey` put there, and those that
/// the environment names.
pub fn older(env: &Env, data: &Path) -> Result<Vec<MasterKey>, Failure> {
    let path = data.join(OLDER_FILE);
    let mut texts = match read_file(&path) {
        Ok(text) => vec![(path.display().to_string(), text)],
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Failure::setting(format!("{}: {error}", path.display()))),
    };
    let file = format!("{OLDER}_FILE");
    match (env.text(OLDER), env.var(&file)) {
        (Some(text), _) => texts.push((OLDER.to_owned(), Zeroizing::new(text))),
        (None, Some(path)) => {
            let text = read_file(Path::new(path));
            let text = text.map_err(|error| Failure::setting(format!("{file}: {error}")))?;
            texts.push((file, text));
        }
        (None, None) => {}
    }
    let keys = texts.iter().flat_map(|(name, text)| {
        text.split_whitespace().map(move |key| {
            MasterKey::parse(key).map_err(|error| Failure::setting(format!("{name}: {error}")))
        })
    });
    keys.collect()
}

/// Puts a master key among those that were before, ahead of the others.
pub fn keep_older(data: &Path, former: &MasterKey) -> Result<PathBuf, Failure> {
    let path = data.join(OLDER_FILE);
    let cannot = |error| Failure::Run(format!("Cannot write {}: {error}.", path.display()));
    let before = match read_file(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => Zeroizing::default(),
        Err(error) => return Err(cannot(error)),
    };
    if before.lines().count() >= MOST_OLDER {
        return Err(Failure::Run(format!(
            "{} holds {MOST_OLDER} former master keys. Remove the last lines of it: what was withdrawn, \
             and access tokens made, under those is then no longer known.",
            path.display()
        )));
    }
    let mut file = tempfile::NamedTempFile::new_in(data).map_err(cannot)?;
    file.write_all(former.text().as_bytes()).map_err(cannot)?;
    file.write_all(b"\n").and_then(|()| file.write_all(before.as_bytes())).map_err(cannot)?;
    file.as_file().sync_all().map_err(cannot)?;
    file.persist(&path).map_err(|error| cannot(error.error))?;
    Ok(path)
}

/// The admin token of a server whose data is there, for a command that speaks to it.
pub fn admin_token(env: &Env, data: &Path) -> Result<Zeroizing<String>, Failure> {
    let kind = Kind::AdminToken;
    let place = place(kind, env, data).map_err(Failure::setting)?;
    let text = read(kind, &place, env).map_err(Failure::setting)?;
    let Some(text) = text else {
        let missing = "there is no admin token; a server makes it at its first start. Name its data \
                       folder with --data, or set POTLUCK_ADMIN_TOKEN_FILE";
        return Err(Failure::setting(at(&place, missing)));
    };
    judge(kind, &text).map_err(|phrase| Failure::setting(at(&place, &phrase)))?;
    Ok(text)
}

/// What signs the messages to a webhook, if it is set anywhere.
pub fn webhook(env: &Env) -> Result<Option<WebhookSecret>, Failure> {
    let file = format!("{WEBHOOK}_FILE");
    let text = match (env.text(WEBHOOK), env.var(&file)) {
        (Some(text), _) => Zeroizing::new(text),
        (None, Some(path)) => read_file(Path::new(path))
            .map_err(|error| Failure::setting(format!("{file}: cannot be read: {error}")))?,
        (None, None) => return Ok(None),
    };
    let short = || Failure::setting(format!("{WEBHOOK}: the secret needs 16 bytes or more"));
    WebhookSecret::parse(text.trim()).map(Some).ok_or_else(short)
}

/// Finds both secrets; makes in the data folder what is nowhere.
pub fn find(env: &Env, data: &Path) -> Result<Found, Failure> {
    let mut doubts = prepare(data).map_err(Failure::Run)?;
    let mut made = Vec::new();
    // Both are looked at before one is made: a fault must not leave half a start behind.
    let mut places = Vec::new();
    for kind in Kind::ALL {
        places.push((kind, check(kind, env, data).map_err(Failure::setting)?));
    }
    let mut texts = Vec::new();
    for (kind, place) in &places {
        let text = match read(*kind, place, env).map_err(Failure::setting)? {
            Some(text) => text,
            None => {
                let (text, path) = make(*kind, data).map_err(Failure::Run)?;
                made.push((*kind, path));
                text
            }
        };
        doubts.extend(seen_by_others(*kind, place));
        texts.push(text);
    }
    let master_key = MasterKey::parse(&texts[1]).map_err(|e| Failure::setting(e.to_string()))?;
    let webhook = webhook(env)?;
    let (older_keys, admin_token) = (older(env, data)?, texts[0].to_string());
    let renewal = crate::rekey::renewal(places[1].1.clone(), data);
    let secrets = Secrets { master_key, older_keys, admin_token, webhook, renewal };
    Ok(Found { secrets, made, doubts })
}

fn file_variable(kind: Kind) -> String {
    format!("{}_FILE", kind.variable())
}

fn at(place: &Place, phrase: &str) -> String {
    match place {
        Place::Variable(name) => format!("{name}: {phrase}"),
        Place::Named(name, path) => format!("{name}: {}: {phrase}", path.display()),
        Place::Folder(path) => format!("{}: {phrase}", path.display()),
    }
}

fn read(kind: Kind, place: &Place, env: &Env) -> Result<Option<Zeroizing<String>>, String> {
    let text = match place {
        Place::Variable(name) => env
            .text(name)
            .map(Zeroizing::new)
            .ok_or_else(|| format!("{name}: the {} is not text", kind.words()))?,
        Place::Named(_, path) | Place::Folder(path) => match read_file(path) {
            Ok(text) => text,
            Err(error) if absent(place, &error) => return Ok(None),
            Err(error) => return Err(at(place, &format!("cannot be read: {error}"))),
        },
    };
    Ok(Some(Zeroizing::new(text.trim().to_owned())))
}

fn absent(place: &Place, error: &std::io::Error) -> bool {
    matches!(place, Place::Folder(_)) && error.kind() == ErrorKind::NotFound
}

fn read_file(path: &Path) -> std::io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    let mut text = Zeroizing::new(String::with_capacity(1024));
    file.take(LARGEST_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// What is wrong with a secret's text, which is never repeated.
fn judge(kind: Kind, text: &str) -> Result<(), String> {
    match kind {
        Kind::MasterKey => MasterKey::parse(text).map(drop).map_err(|error| error.to_string()),
        Kind::AdminToken if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err("the admin token may hold visible ASCII characters only".to_owned())
        }
        Kind::AdminToken if (SHORTEST_TOKEN..=LONGEST_TOKEN).contains(&text.len()) => Ok(()),
        Kind::AdminToken => {
            Err(format!("the admin token needs {SHORTEST_TOKEN} to {LONGEST_TOKEN} characters"))
        }
    }
}

/// Makes sure that there is a data folder to write in.
fn prepare(data: &Path) -> Result<Vec<String>, String> {
    let cannot = |error: std::io::Error| {
        format!(
            "Cannot write in the data folder {}: {error}. Choose another with --data.",
            data.display()
        )
    };
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(data).map_err(cannot)?;
    tempfile::Builder::new().prefix(".potluck-probe-").tempfile_in(data).map_err(cannot)?;
    let mode = fs::metadata(data).map_err(cannot)?.permissions().mode();
    let open = mode & 0o002 != 0;
    let doubt = format!("{} can be written by everybody; chmod 700 it", data.display());
    Ok(open.then_some(doubt).into_iter().collect())
}

fn make(kind: Kind, data: &Path) -> Result<(Zeroizing<String>, PathBuf), String> {
    let path = data.join(kind.file_name());
    if kind == Kind::MasterKey {
        refuse_beside_database(data, &path)?;
    }
    let text = fresh(kind)?;
    match write_new(&path, &text) {
        Ok(()) => Ok((text, path)),
        // Another start was quicker; its secret is the one in force.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text =
                read_file(&path).map_err(|e| format!("Cannot read {}: {e}.", path.display()))?;
            Ok((Zeroizing::new(text.trim().to_owned()), path))
        }
        Err(error) => Err(format!("Cannot write {}: {error}.", path.display())),
    }
}

fn refuse_beside_database(data: &Path, key: &Path) -> Result<(), String> {
    let Some(database) = database(data) else { return Ok(()) };
    Err(format!(
        "{} holds keys sealed under a master key, but {} is missing. Put the file back or set \
         POTLUCK_MASTER_KEY_FILE: a new master key would open none of them.",
        database.display(),
        key.display()
    ))
}

/// A database in the folder, told by its first bytes: what it is called is the server's affair.
fn database(data: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(data).ok()?;
    entries.filter_map(Result::ok).map(|entry| entry.path()).find(|path| {
        let mut head = [0; SQLITE_HEAD.len()];
        path.is_file()
            && File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok()
            && head == *SQLITE_HEAD
    })
}

fn fresh(kind: Kind) -> Result<Zeroizing<String>, String> {
    match kind {
        Kind::MasterKey => MasterKey::generate().map(|key| key.text()).map_err(|e| e.to_string()),
        Kind::AdminToken => {
            let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
            getrandom::fill(bytes.as_mut_slice())
                .map_err(|e| format!("The system gives no random bytes: {e}."))?;
            let mut text = Zeroizing::new(String::with_capacity(128));
            text.push_str(TOKEN_PREFIX);
            for byte in bytes.iter() {
                text.push_str(&format!("{byte:02x}"));
            }
            Ok(text)
        }
    }
}

/// Writes a file that was not there: whole, durable, mode 0600, or not at all.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".potluck-new-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

fn seen_by_others(kind: Kind, place: &Place) -> Option<String> {
    let (Place::Named(_, path) | Place::Folder(path)) = place else { return None };
    let mode = fs::metadata(path).ok()?.permissions().mode();
    (mode & OTHERS != 0).then(|| {
        let (what, path) = (kind.words(), path.display());
        format!("the {what} in {path} can be read by everybody on this machine; chmod 600 it")
    })
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
