//! What an operator may set, as variables of the Worker.
//!
//! Rule: a Worker serves with none of them; one that cannot be read is named, and nothing is served
//! until it is put right.

use http::Uri;
use http::uri::Scheme;
use potluck_edition::admin::settings::Setting;

/// Google's API, or what stands in for it.
pub const UPSTREAM: &str = "POTLUCK_UPSTREAM";
/// The address that callers know the Worker by; else the one that they asked.
pub const PUBLIC_URL: &str = "POTLUCK_PUBLIC_URL";
/// Over how many objects the pool is split.
pub const SHARDS: &str = "POTLUCK_SHARDS";

/// `on`: Google is asked not to store what is pooled.
pub const STORE_FALSE: &str = "POTLUCK_STORE_FALSE";

/// Google's API.
const GOOGLE: &str = "https://generativelanguage.googleapis.com";
/// Beyond, objects have too few keys to choose from.
const MOST_SHARDS: u8 = 64;

/// What is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Google's origin, as it stands in URLs.
    pub google: String,
    /// The same, parsed.
    pub upstream: Uri,
    /// Our own origin, where it is set.
    pub public_url: Option<String>,
    /// Over how many objects the pool is split.
    pub shards: u8,
    /// Pooled bodies that do not say so are sent on saying that they are not to be stored.
    pub store_false: bool,
}

/// A variable that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable {name} must be {wanted}, and is {found:?}")]
pub struct Unreadable {
    name: &'static str,
    wanted: &'static str,
    found: String,
}

impl Settings {
    /// Reads them; `variable` tells what a name is set to.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, Unreadable> {
        let upstream = origin(&variable, UPSTREAM)?.unwrap_or_else(|| GOOGLE.parse());
        let upstream = upstream.unwrap_or_else(|_| Uri::from_static(GOOGLE));
        let public_url = origin(&variable, PUBLIC_URL)?.and_then(Result::ok);
        let google = text(&upstream);
        let public_url = public_url.as_ref().map(text);
        let (shards, store_false) = (shards(&variable)?, switch(&variable, STORE_FALSE)?);
        Ok(Settings { google, upstream, public_url, shards, store_false })
    }

    /// Which object a key belongs to, by its id.
    pub fn shard(&self, id: &[u8; 16]) -> u8 {
        id[0] % self.shards
    }

    /// The names of the objects. One alone has the name that it had before the pool could be split.
    pub fn objects(&self) -> impl Iterator<Item = String> + use<> {
        let shards = self.shards;
        (0..shards).map(move |shard| object(shard, shards))
    }

    /// The name of one of them.
    pub fn object(&self, shard: u8) -> String {
        object(shard, self.shards)
    }

    /// The settings in force, as operators are told; no secret is among them.
    pub fn in_force(&self) -> Vec<Setting> {
        let one = |variable: &str, value: String, usual: bool| Setting {
            name: variable.trim_start_matches("POTLUCK_").to_lowercase().replace('_', "-"),
            value,
            from: if usual { "default" } else { variable }.to_owned(),
        };
        let url = self.public_url.as_deref().unwrap_or("the one that was asked");
        let stored = if self.store_false { "on" } else { "off" };
        vec![
            one(UPSTREAM, self.google.clone(), self.google == GOOGLE),
            one(PUBLIC_URL, url.to_owned(), self.public_url.is_none()),
            one(SHARDS, self.shards.to_string(), self.shards == 1),
            one(STORE_FALSE, stored.to_owned(), !self.store_false),
        ]
    }
}

fn object(shard: u8, shards: u8) -> String {
    if shards == 1 { "pool".to_owned() } else { format!("pool-{shard}-of-{shards}") }
}

type Parsed = Result<Uri, http::uri::InvalidUri>;

fn origin(
    variable: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<Option<Parsed>, Unreadable> {
    let Some(found) = variable(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed: Parsed = found.trim_end_matches('/').parse();
    let fits = parsed.as_ref().is_ok_and(is_origin);
    let wanted = "an origin like https://potluck.example";
    if fits { Ok(Some(parsed)) } else { Err(Unreadable { name, wanted, found }) }
}

fn is_origin(uri: &Uri) -> bool {
    let scheme = uri.scheme();
    let http = scheme == Some(&Scheme::HTTP) || scheme == Some(&Scheme::HTTPS);
    http && uri.path() == "/" && uri.query().is_none()
}

fn shards(variable: impl Fn(&str) -> Option<String>) -> Result<u8, Unreadable> {
    let Some(found) = variable(SHARDS).filter(|text| !text.is_empty()) else { return Ok(1) };
    let shards = found.parse().ok().filter(|shards| (1..=MOST_SHARDS).contains(shards));
    shards.ok_or(Unreadable { name: SHARDS, wanted: "a number from 1 to 64", found })
}

fn switch(
    variable: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<bool, Unreadable> {
    match variable(name).as_deref() {
        Some("on") => Ok(true),
        None | Some("" | "off") => Ok(false),
        Some(found) => Err(Unreadable { name, wanted: "on or off", found: found.to_owned() }),
    }
}

fn text(origin: &Uri) -> String {
    let scheme = origin.scheme_str().unwrap_or("https");
    format!("{scheme}://{}", origin.authority().map_or("", |authority| authority.as_str()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Settings, Unreadable> {
        let of = |name: &str| set.iter().find(|(known, _)| *known == name);
        Settings::read(|name| of(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_need_be_set() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.google, GOOGLE);
        assert_eq!(settings.objects().collect::<Vec<_>>(), ["pool"]);
        assert_eq!(settings.shard(&[255; 16]), 0);
    }

    #[test]
    fn what_is_set_holds() {
        let settings =
            read(&[(UPSTREAM, "http://127.0.0.1:9/"), (SHARDS, "4"), (PUBLIC_URL, "https://a.b")]);
        let settings = settings.unwrap();
        assert_eq!(settings.google, "http://127.0.0.1:9");
        assert_eq!(settings.public_url.as_deref(), Some("https://a.b"));
        assert_eq!(settings.object(3), "pool-3-of-4");
        assert_eq!(settings.shard(&[6; 16]), 2);
    }

    #[test]
    fn operators_are_told_what_holds_and_which_variable_decided_it() {
        let told = read(&[(SHARDS, "4")]).unwrap().in_force();
        let shown: Vec<[&str; 3]> = told.iter().map(|s| [&*s.name, &*s.value, &*s.from]).collect();
        assert!(shown.contains(&["shards", "4", SHARDS]), "{shown:?}");
        assert!(shown.contains(&["upstream", GOOGLE, "default"]), "{shown:?}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (name, value) in [
            (SHARDS, "0"),
            (SHARDS, "65"),
            (SHARDS, "many"),
            (UPSTREAM, "x"),
            (STORE_FALSE, "maybe"),
            (UPSTREAM, "https://a.b/path"),
            (PUBLIC_URL, "ftp://a.b"),
        ] {
            let refused = read(&[(name, value)]).unwrap_err().to_string();
            assert!(refused.contains(name) && refused.contains(value), "{refused}");
        }
    }
}
