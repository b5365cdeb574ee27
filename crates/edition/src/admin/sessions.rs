//! Operators who signed in with a browser.
//!
//! Rule: a browser never holds the admin token, only a session's name, in a cookie that no script
//! reads, no other site sends and plain HTTP does not carry. A session counts only for requests
//! that bear a header of our pages as well: no form and no link of anybody's can set it.

use std::time::Duration;

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use potluck_core::{Mono, Wall};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::me::time;

/// Whoever is signed in. Forgotten at a restart.
#[derive(Default)]
pub struct Sessions {
    open: Vec<(Name, Mono)>,
}

/// A session's name: nobody guesses it.
pub type Name = [u8; 32];

impl Sessions {
    /// Opens a session of that name.
    pub fn open(&mut self, name: Name, now: Mono) {
        self.open.retain(|(_, end)| *end > now);
        if self.open.len() == MOST {
            self.open.remove(0);
        }
        self.open.push((name, now + LASTS));
    }

    /// How long the session goes on that a request belongs to; `same` compares without telling by
    /// its time how much is alike.
    pub fn of(
        &self,
        headers: &HeaderMap,
        now: Mono,
        same: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<Duration> {
        let name = shown(headers)?;
        let open = self.open.iter().find(|(open, end)| same(open, &name) && *end > now);
        open.map(|(_, end)| end.since(now))
    }

    /// Ends the session that a request belongs to.
    pub fn close(&mut self, headers: &HeaderMap, same: impl Fn(&[u8], &[u8]) -> bool) {
        if let Some(name) = shown(headers) {
            self.open.retain(|(open, _)| !same(open, &name));
        }
    }
}

/// Makes the name of a session that nobody keeps: it says until when it is good, and is signed. For
/// an edition whose processes share no memory; what ends such a session early is that its browser
/// forgets it, or that what it is signed with changes.
pub fn signed(random: [u8; 8], now: Wall, sign: impl Fn(&[u8]) -> Signature) -> Name {
    let mut name = Name::default();
    name[..8].copy_from_slice(&now.0.saturating_add(LASTS.as_millis() as i64).to_be_bytes());
    name[8..SAID].copy_from_slice(&random);
    let signature = sign(&name[..SAID]);
    name[SAID..].copy_from_slice(&signature[..SAID]);
    name
}

/// How long the signed session goes on that a request belongs to.
pub fn left(
    headers: &HeaderMap,
    now: Wall,
    sign: impl Fn(&[u8]) -> Signature,
    same: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<Duration> {
    let name = shown(headers)?;
    let (said, signature) = name.split_at(SAID);
    let end = i64::from_be_bytes(*said.first_chunk()?);
    let left = u64::try_from(end.checked_sub(now.0)?).ok().filter(|left| *left > 0)?;
    let ours = same(&sign(said)[..SAID], signature);
    ours.then(|| Duration::from_millis(left).min(LASTS))
}

/// What a signed name is signed with makes this of it.
pub type Signature = [u8; 32];

/// The name that a request shows, if one of our pages has sent it.
fn shown(headers: &HeaderMap) -> Option<Name> {
    headers.get(PAGE)?;
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).map(str::trim);
    let text = pairs.find_map(|pair| pair.strip_prefix(COOKIE_NAME)?.strip_prefix('='))?;
    let mut name = Name::default();
    hex::decode_to_slice(text, &mut name).ok()?;
    Some(name)
}

/// What has a browser keep a session's name.
pub fn kept(name: &Name) -> Option<HeaderValue> {
    cookie(&hex::encode(name), LASTS.as_secs())
}

/// What has it forget.
pub fn forgotten() -> Option<HeaderValue> {
    cookie("", 0)
}

fn cookie(name: &str, seconds: u64) -> Option<HeaderValue> {
    let rules = "Path=/; Secure; HttpOnly; SameSite=Strict";
    let text = format!("{COOKIE_NAME}={name}; Max-Age={seconds}; {rules}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What signing in takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    token: String,
}

/// The token with which somebody would sign in.
pub fn token(text: &[u8]) -> Option<String> {
    serde_json::from_slice(text).ok().map(|read: SignIn| read.token)
}

/// A session, as it is told.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Session {
    until: String,
}

impl Session {
    /// One that goes on so long.
    pub fn of(left: Duration, now: Wall) -> Session {
        Session { until: time(Wall(now.0 + left.as_millis() as i64)) }
    }

    /// One that has just begun.
    pub fn begun(now: Wall) -> Session {
        Session::of(LASTS, now)
    }
}

/// The header of our pages.
const PAGE: HeaderName = HeaderName::from_static("x-potluck-page");
/// Browsers keep a cookie of such a name only as it is meant: for this host alone, over TLS or on
/// this machine.
const COOKIE_NAME: &str = "__Host-potluck";
/// Bytes of a signed name that say something; the other half is the signature's.
const SAID: usize = 16;
/// A day's work.
const LASTS: Duration = Duration::from_secs(12 * 3600);
/// Sessions at once: operators are few. A further one ends the oldest.
const MOST: usize = 64;
/// Bytes of what signing in takes: a token, and a little.
pub const MAX: usize = 4 << 10;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn request(name: &Name, page: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let kept = kept(name).unwrap();
        let pair = kept.to_str().unwrap().split(';').next().unwrap();
        headers.insert(COOKIE, HeaderValue::try_from(format!("a=b; {pair}")).unwrap());
        if page {
            headers.insert(PAGE, HeaderValue::from_static("1"));
        }
        headers
    }

    #[test]
    fn a_session_lasts_half_a_day_and_counts_only_from_our_pages() {
        let mut sessions = Sessions::default();
        let (ours, other) = ([7; 32], [8; 32]);
        sessions.open(ours, Mono(0));
        let left = |s: &Sessions, headers: &HeaderMap, at| s.of(headers, Mono(at), |a, b| a == b);

        assert_eq!(left(&sessions, &request(&ours, true), 0), Some(LASTS));
        assert_eq!(left(&sessions, &request(&ours, false), 0), None, "a link has no such header");
        assert_eq!(left(&sessions, &request(&other, true), 0), None);
        assert_eq!(left(&sessions, &request(&ours, true), 12 * 3_600_000), None);
        sessions.close(&request(&ours, true), |a, b| a == b);
        assert_eq!(left(&sessions, &request(&ours, true), 0), None);
    }

    #[test]
    fn a_signed_session_says_itself_how_long_it_lasts_and_nobody_can_make_it_last_longer() {
        let sign = |with: u8| {
            move |said: &[u8]| {
                let mut signature = Signature::default();
                let at = said.iter().enumerate().map(|(at, byte)| byte.wrapping_mul(at as u8 + 3));
                signature[0] = at.fold(with, u8::wrapping_add);
                signature
            }
        };
        let name = signed([7; 8], Wall(0), sign(1));
        let left = |name: &Name, page, at, with| {
            super::left(&request(name, page), Wall(at), sign(with), |a, b| a == b)
        };

        assert_eq!(left(&name, true, 0, 1), Some(LASTS));
        assert_eq!(left(&name, false, 0, 1), None, "a link has no such header");
        assert_eq!(left(&name, true, 0, 2), None, "signed with something else");
        assert_eq!(left(&name, true, 12 * 3_600_000, 1), None, "over");
        let mut longer = name;
        longer[7] ^= 1;
        assert_eq!(left(&longer, true, 0, 1), None, "changed");
    }

    #[test]
    fn one_session_too_many_ends_the_oldest() {
        let mut sessions = Sessions::default();
        (0..=MOST as u8).for_each(|n| sessions.open([n; 32], Mono(n.into())));
        let left = |n| sessions.of(&request(&[n; 32], true), Mono(100), |a, b| a == b);
        assert!(left(0).is_none() && left(1).is_some() && left(MOST as u8).is_some());
    }
}
