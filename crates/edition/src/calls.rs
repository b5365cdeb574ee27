//! A caller's request in the pool's terms.

use potluck_core::{Call, Guest, KeyId, SourceBlock, Strangers, TokenId, Tombstone, Way};
use potluck_gemini::body::{Metered, Scan};
use potluck_gemini::live::Setup;
use potluck_gemini::{Family, Route, redact};

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Bearer {
    /// The key that was shown.
    pub id: KeyId,
    /// Its tombstone; needed only if the pool may not know the key.
    pub tombstone: Option<Tombstone>,
    /// Where the request comes from.
    pub source: SourceBlock,
    /// What becomes of the call if nobody knows the key.
    pub strangers: Strangers,
    /// An access token was shown in place of a key, and is good: its id stands in the key's place.
    pub token: bool,
}

impl Bearer {
    /// Who shows a key.
    pub fn of_key(id: KeyId, tombstone: Option<Tombstone>, source: SourceBlock) -> Bearer {
        Bearer { id, tombstone, source, strangers: Strangers::Welcome, token: false }
    }

    /// Who shows an access token.
    pub fn of_token(id: TokenId, source: SourceBlock) -> Bearer {
        Bearer { token: true, ..Bearer::of_key(id.bearer(), None, source) }
    }

    fn guest(&self) -> Option<Guest> {
        self.token.then_some(Guest::Token)
    }
}

/// A call whose body decides who may serve it; `insists` where something besides the body makes it
/// own.
pub fn pooled<'a>(route: &'a Route<'_>, scan: &'a Scan, bearer: Bearer, insists: bool) -> Call<'a> {
    let own = insists || scan.own.is_some();
    Call {
        model: named(route.model.as_deref().or(scan.model.as_deref())),
        metered: scan.metered,
        way: if own { Way::OwnOnly } else { Way::Pool },
        conversation: scan.conversation.map(|talk| talk ^ bearers_own(bearer.id)),
        signature: scan.signature,
        has_model_turn: scan.has_model_turn,
        prompt_tokens: scan.prompt_tokens,
        own_requested: insists,
        ..own_call(route, bearer)
    }
}

/// A call that only the caller's own key may serve; where an access token was shown, anybody's.
pub fn own_call<'a>(route: &'a Route<'_>, bearer: Bearer) -> Call<'a> {
    Call {
        bearer: Some(bearer.id),
        tombstone: bearer.tombstone,
        model: named(route.model.as_deref()),
        family: route.family,
        metered: Metered::NONE,
        way: Way::OwnOnly,
        proof: route.proof,
        conversation: None,
        signature: None,
        has_model_turn: false,
        prompt_tokens: 0,
        source: bearer.source,
        own_requested: true,
        guest: bearer.guest(),
        strangers: bearer.strangers,
    }
}

/// A Live socket, by its setup. An open socket is no proof: Google opens one for any key.
pub fn live(setup: &Setup, bearer: Bearer, insists: bool) -> Call<'_> {
    let own = insists || setup.own.is_some();
    Call {
        bearer: Some(bearer.id),
        tombstone: bearer.tombstone,
        model: named(setup.model.as_deref()),
        family: Family::Live,
        metered: setup.metered,
        way: if own { Way::OwnOnly } else { Way::Pool },
        proof: false,
        conversation: None,
        signature: None,
        has_model_turn: false,
        prompt_tokens: 0,
        source: bearer.source,
        own_requested: insists,
        guest: bearer.guest(),
        strangers: bearer.strangers,
    }
}

/// The model, if it may be told of in what is counted and shown: some put their key in its place.
fn named(model: Option<&str>) -> Option<&str> {
    model.filter(|name| !redact::holds_secret(name))
}

/// Tells callers apart who begin a conversation with the same words, as programs of one kind do:
/// only the turns of one caller belong to one key.
fn bearers_own(id: KeyId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = id.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_a_models_place_is_no_model() {
        let key = format!("AIzaSy{}", "x".repeat(33));
        for secret in [key.as_str(), "ptk_0123456789abcdef", "ya29.abcdefghijk"] {
            assert_eq!(named(Some(secret)), None);
        }
        for plain in ["gemini-3.5-flash", "gemma-3-27b-it", "learnLM_2.0"] {
            assert_eq!(named(Some(plain)), Some(plain));
        }
    }
}
