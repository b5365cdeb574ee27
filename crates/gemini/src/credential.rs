//! Which credential a request shows.
//!
//! A key may come in four places, and in several at once as long as it is the same one: one client
//! is known to send it twice. Two different credentials are nobody's to choose between, and what
//! cannot be a Gemini key is recognised here, so that another service's secret never reaches
//! Google. Tokens of the proxy's own stand where keys do, and are told from them by their beginning.

use std::fmt;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use crate::params::{Param, params};
use crate::words;

/// The shortest text taken for a key; the shortest known kind has 39 characters.
const KEY_MIN: usize = 20;
/// The longest text taken for a key or a token; the longest known kind has 53 characters.
const KEY_MAX: usize = 256;

/// What ephemeral tokens begin with.
const EPHEMERAL: &str = "auth_tokens/";

/// What access tokens of the proxy's own begin with, and all else that it gives out but keys.
pub const TOKEN_PREFIX: &str = "ptk_";
/// What invite codes begin with.
pub const INVITE_PREFIX: &str = "pti_";

/// Beginnings that tell another kind of credential.
const OTHER_KINDS: &[(&str, NotAKey)] = &[
    (EPHEMERAL, NotAKey::EphemeralToken),
    (TOKEN_PREFIX, NotAKey::PotluckToken),
    (INVITE_PREFIX, NotAKey::InviteCode),
    ("ya29.", NotAKey::OAuthToken),
    ("eyJ", NotAKey::OAuthToken),
    ("sk-", NotAKey::OtherService),
    ("gsk_", NotAKey::OtherService),
    ("xai-", NotAKey::OtherService),
    ("hf_", NotAKey::OtherService),
    ("ghp_", NotAKey::OtherService),
    ("github_pat_", NotAKey::OtherService),
];

/// The first byte alone tells that a Gemini API key is none of them.
fn other_kind(text: &str) -> Option<NotAKey> {
    let first = text.as_bytes().first();
    let mut alike = OTHER_KINDS.iter().filter(|(start, _)| start.as_bytes().first() == first);
    alike.find(|(start, _)| text.starts_with(start)).map(|(_, kind)| *kind)
}

/// A text that can be a Gemini API key. Wiped from memory when dropped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Zeroizing<Box<str>>);

impl ApiKey {
    /// Reads a key by its grammar alone: whether it works only Google can tell.
    pub fn parse(text: &str) -> Result<ApiKey, NotAKey> {
        if let Some(kind) = other_kind(text) {
            return Err(kind);
        }
        if !is_opaque_token(text) || text.len() < KEY_MIN {
            return Err(NotAKey::Malformed);
        }
        Ok(ApiKey(Zeroizing::new(text.into())))
    }

    /// The key itself, for the one place that sends it and the one that seals it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Why a text cannot be a Gemini API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotAKey {
    /// A Google OAuth access token or a signed assertion.
    OAuthToken,
    /// An ephemeral token where only a key will do.
    EphemeralToken,
    /// A token of this proxy's own.
    PotluckToken,
    /// An invite of this proxy's own.
    InviteCode,
    /// A key of another service.
    OtherService,
    /// Too short, too long, or of characters that no key has.
    Malformed,
}

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAKey::OAuthToken => "this is an OAuth token, not a Gemini API key",
            NotAKey::EphemeralToken => "an ephemeral token opens constrained Live sockets only",
            NotAKey::PotluckToken => "this is a token of the proxy, not a Gemini API key",
            NotAKey::InviteCode => {
                "this is an invite code: send it as x-potluck-invite, beside your Gemini API key"
            }
            NotAKey::OtherService => "this is a key of another service, not a Gemini API key",
            NotAKey::Malformed => "this does not have the form of a Gemini API key",
        })
    }
}

impl std::error::Error for NotAKey {}

/// An access token of the proxy's own. Wiped from memory when dropped, never printed, and in no form
/// in which anything is sent to Google.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Zeroizing<Box<str>>);

impl AccessToken {
    /// Reads a token by its grammar alone: whether it is good only the proxy's book can tell.
    pub fn parse(text: &str) -> Result<AccessToken, NotAKey> {
        let ours = text.starts_with(TOKEN_PREFIX) && is_opaque_token(text);
        ours.then(|| AccessToken(Zeroizing::new(text.into()))).ok_or(NotAKey::PotluckToken)
    }

    /// The token itself, for the one place that hashes it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

/// An ephemeral token, which is passed on in the place where it came.
#[derive(Clone)]
pub struct EphemeralToken {
    text: Zeroizing<Box<str>>,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Query,
}

impl EphemeralToken {
    fn parse(text: &str, place: Place) -> Result<EphemeralToken, NotAKey> {
        match text.strip_prefix(EPHEMERAL) {
            Some(id) if is_opaque_token(id) => {
                Ok(EphemeralToken { text: Zeroizing::new(text.into()), place })
            }
            _ => Err(NotAKey::Malformed),
        }
    }

    /// The `Authorization` to send to Google, if the token came in a header.
    pub fn authorization(&self) -> Option<HeaderValue> {
        if self.place != Place::Header {
            return None;
        }
        let text = Zeroizing::new(format!("Token {}", &*self.text));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The query parameter to send to Google, if the token came in the query.
    pub fn parameter(&self) -> Option<Zeroizing<String>> {
        (self.place == Place::Query)
            .then(|| Zeroizing::new(format!("access_token={}", &*self.text)))
    }
}

impl PartialEq for EphemeralToken {
    /// The same token in two places is one token.
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for EphemeralToken {}

impl fmt::Debug for EphemeralToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EphemeralToken(…)")
    }
}

/// The credential that a request shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// None at all.
    Nothing,
    /// One key, in one place or in several.
    Key(ApiKey),
    /// One access token of the proxy's own, in one place or in several.
    Token(AccessToken),
    /// One ephemeral token.
    Ephemeral(EphemeralToken),
    /// One credential that cannot be a key.
    NotAKey(NotAKey),
    /// Two different credentials.
    Conflict,
}

impl Shown {
    fn key(text: &str, place: Place) -> Shown {
        if text.is_empty() {
            return Shown::Nothing;
        }
        if text.starts_with(EPHEMERAL) {
            return Shown::ephemeral(text, place);
        }
        if text.starts_with(TOKEN_PREFIX) {
            return AccessToken::parse(text).map_or_else(Shown::NotAKey, Shown::Token);
        }
        ApiKey::parse(text).map_or_else(Shown::NotAKey, Shown::Key)
    }

    fn ephemeral(text: &str, place: Place) -> Shown {
        EphemeralToken::parse(text, place).map_or_else(Shown::NotAKey, Shown::Ephemeral)
    }

    fn and(self, other: Shown) -> Shown {
        match (self, other) {
            (Shown::Nothing, one) | (one, Shown::Nothing) => one,
            (one, other) if one == other => one,
            _ => Shown::Conflict,
        }
    }
}

/// The credential that a request shows, wherever it stands.
///
/// Read are `x-goog-api-key`, `x-api-key`, `Authorization: Bearer`, `?key=`, and for ephemeral
/// tokens `Authorization: Token` and `?access_token=`. Other schemes of `Authorization` are not
/// meant for Google, and are as good as absent.
pub fn shown(headers: &HeaderMap, query: Option<&str>) -> Shown {
    let mut shown = Shown::Nothing;
    for (name, value) in headers {
        match name.as_str() {
            "authorization" => shown = shown.and(in_authorization(value)),
            "x-goog-api-key" | "x-api-key" => shown = shown.and(in_header(value)),
            _ => {}
        }
    }
    params(query).map(in_query).fold(shown, Shown::and)
}

/// Whether a credential came as Bearer, as OpenAI's clients send it.
pub fn bears(headers: &HeaderMap) -> bool {
    headers.get_all(AUTHORIZATION).iter().any(is_bearer)
}

fn is_bearer(value: &HeaderValue) -> bool {
    let credential = text(value).and_then(|text| scheme(text, "bearer"));
    credential.is_some_and(|credential| !credential.is_empty())
}

fn in_authorization(value: &HeaderValue) -> Shown {
    let Some(text) = text(value) else { return Shown::NotAKey(NotAKey::Malformed) };
    if let Some(key) = scheme(text, "bearer") {
        Shown::key(key, Place::Header)
    } else if let Some(token) = scheme(text, "token") {
        Shown::ephemeral(token, Place::Header)
    } else {
        Shown::Nothing
    }
}

fn in_header(value: &HeaderValue) -> Shown {
    let malformed = Shown::NotAKey(NotAKey::Malformed);
    text(value).map_or(malformed, |text| Shown::key(text.trim_ascii(), Place::Header))
}

/// What `to_str` takes, found faster: the value of a header has no control bytes but tabs.
fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii())
}

fn in_query(param: Param<'_>) -> Shown {
    if param.is_empty() {
        return Shown::Nothing;
    }
    match &*param.name() {
        "key" => Shown::key(&param.value(), Place::Query),
        "access_token" | "oauth_token" => match &*param.value() {
            token if token.starts_with(EPHEMERAL) => Shown::ephemeral(token, Place::Query),
            _ => Shown::NotAKey(NotAKey::OAuthToken),
        },
        _ => Shown::Nothing,
    }
}

/// What follows the scheme, whose case does not matter.
fn scheme<'t>(text: &'t str, scheme: &str) -> Option<&'t str> {
    let (name, rest) = words::cut(text.trim_ascii(), b' ');
    name.eq_ignore_ascii_case(scheme).then(|| rest.unwrap_or_default().trim_ascii_start())
}

fn is_opaque_token(text: &str) -> bool {
    (1..=KEY_MAX).contains(&text.len()) && words::is_name(text.as_bytes())
}

#[cfg(test)]
mod tests;
