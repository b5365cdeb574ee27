//! One exchange in the pool's terms: what is asked, what to try, what came of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    id::{KeyId, Slot, Tombstone},
    time::Mono,
    verdict::Verdict,
    wire::{Failure, Family, Metered},
};

/// What a caller asks, as far as the pool must know.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The key shown.
    pub bearer: Option<KeyId>,
    /// The same key's tombstone; needed only if the pool does not know the bearer.
    pub tombstone: Option<Tombstone>,
    /// The model, without `models/`.
    pub model: Option<&'a str>,
    /// The kind of method.
    pub family: Family,
    /// The metered features that the body uses.
    pub metered: Metered,
    /// Whether any key will do.
    pub way: Way,
    /// Whether a 2xx on this method proves a key.
    pub proof: bool,
    /// Hash of the conversation's first turn.
    pub conversation: Option<u64>,
    /// Hash of a thought signature.
    pub signature: Option<u64>,
    /// Whether the body holds a model's turn, so that there was a turn before.
    pub has_model_turn: bool,
    /// The estimated size of the prompt.
    pub prompt_tokens: u32,
    /// Where the caller's address lies.
    pub source: SourceBlock,
    /// The caller asked for the own key.
    pub own_requested: bool,
    /// The bearer's key lives in another part of the pool, which vouches for it; or there is none.
    pub guest: Option<Guest>,
    /// What becomes of a key that nobody knows.
    pub strangers: Strangers,
}

/// What becomes of a call whose key nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strangers {
    /// It goes upstream with that key, and may prove it.
    #[default]
    Welcome,
    /// It goes nowhere without an invite.
    Uninvited,
    /// It goes nowhere.
    Closed,
}

/// What is said of a bearer whose key is not in this part of the pool, by another part or by whoever
/// lets callers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Guest {
    /// The own keys alone would have served the call.
    Entitled,
    /// It may have what is left over.
    Borrows,
    /// It comes with an access token and brings no key: it may have what those who do leave over.
    Token,
}

impl Call<'_> {
    /// A plain call of a bearer: everything else as it mostly is.
    pub fn plain(bearer: KeyId, model: &str) -> Call<'_> {
        Call {
            bearer: Some(bearer),
            tombstone: None,
            model: Some(model),
            family: Family::Generate,
            metered: Metered::NONE,
            way: Way::Pool,
            proof: true,
            conversation: None,
            signature: None,
            has_model_turn: false,
            prompt_tokens: 0,
            source: SourceBlock(0),
            own_requested: false,
            guest: None,
            strangers: Strangers::Welcome,
        }
    }
}

/// What of a call says nothing about whose key may serve it, but for the conversation's own; see
/// the fields of [`Call`] of the same names.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    pub conversation: Option<u64>,
    pub signature: Option<u64>,
    pub has_model_turn: bool,
    pub prompt_tokens: u32,
}

/// Whose key may serve a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Way {
    /// Anybody's.
    Pool,
    /// The bearer's own, and one attempt.
    OwnOnly,
}

/// A caller's address block: a /32 of IPv4, a /64 of IPv6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceBlock(pub u128);

/// What to do next for an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<S> {
    /// Send the request with this key, then `report`.
    Try(Attempt<S>),
    /// Nothing can serve yet, but soon: call `next` again at this moment.
    Wait {
        /// When.
        until: Mono,
    },
    /// Answer the caller here.
    Refuse(Refusal),
}

/// One try upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt<S> {
    /// The credential.
    pub whose: Whose<S>,
    /// Counted from one.
    pub number: u8,
}

/// The credential of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose<S> {
    /// The key that the caller showed with this very request.
    Bearer,
    /// A key of the pool.
    Key {
        /// Its place.
        slot: Slot,
        /// Its id.
        id: KeyId,
        /// Its secret.
        secret: S,
        /// Whether it is the caller's own.
        own: bool,
    },
}

/// How an attempt went, up to the answer's head.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// A 2xx head is there.
    Served,
    /// Google answered with an error.
    Failed(&'a Failure),
    /// No head came: the connection was refused, reset or closed.
    NoAnswer,
}

/// What to do with an attempt's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum After {
    /// The answer goes to the caller.
    Commit {
        /// Store the bearer's key first, then call `admitted`.
        admit: bool,
    },
    /// The key is proven though its quota is spent: store it, call `admitted`, then `next`. If the
    /// store cannot, this answer goes to the caller, redacted.
    Admit,
    /// Drop this answer and call `next`.
    Again,
    /// This answer goes to the caller, redacted.
    Pass,
    /// This answer must not go out; write one anew.
    Template(Refusal),
}

/// Why the pool answers in Google's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// No key was shown.
    NoKey,
    /// Nobody knows the key, and it came without an invite.
    Uninvited,
    /// Nobody knows the key, and no new ones are taken.
    Closed,
    /// Google refused this key a short while ago.
    KeyRefused {
        /// When it may be asked again.
        wait: Duration,
    },
    /// Too many refused keys came from this address block.
    TooManyRefused {
        /// When the block may try again.
        wait: Duration,
    },
    /// Every key that could serve rests: 429.
    Resting {
        /// Until the first one wakes.
        wait: Duration,
        /// That is hours away: a day's quota.
        per_day: bool,
    },
    /// What the keys have left today is kept for their contributors: 429.
    Reserved {
        /// When to ask again.
        wait: Duration,
    },
    /// Every attempt met a spent quota: 429.
    Spent {
        /// Until the first key wakes.
        wait: Duration,
        /// That is hours away: a day's quota.
        per_day: bool,
    },
    /// The prompt is larger than any key's minute: 429.
    TooLarge,
    /// The attempts failed for reasons of the keys, not the caller's: 503.
    KeysFailed {
        /// When to come again.
        wait: Duration,
    },
    /// Google cannot be used from here: 503.
    OurPlace,
    /// Google gave no answer: 502.
    NoAnswer,
}

impl Refusal {
    /// Whether the caller could have known better.
    pub(crate) fn blames_caller(self) -> bool {
        use Refusal::*;
        let shown = matches!(self, NoKey | KeyRefused { .. } | TooManyRefused { .. });
        shown || matches!(self, Uninvited | Closed | TooLarge)
    }

    /// A stable name for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::NoKey => "no-key",
            Refusal::Uninvited => "uninvited",
            Refusal::Closed => "closed",
            Refusal::KeyRefused { .. } => "key-refused",
            Refusal::TooManyRefused { .. } => "too-many-refused",
            Refusal::Resting { .. } => "resting",
            Refusal::Reserved { .. } => "reserved",
            Refusal::Spent { .. } => "spent",
            Refusal::TooLarge => "too-large",
            Refusal::KeysFailed { .. } => "keys-failed",
            Refusal::OurPlace => "our-place",
            Refusal::NoAnswer => "no-answer",
        }
    }

    pub(crate) fn place(self) -> usize {
        Self::NAMES.iter().position(|name| *name == self.name()).unwrap_or(0)
    }

    pub(crate) const NAMES: [&'static str; 12] = [
        "no-key",
        "uninvited",
        "closed",
        "key-refused",
        "too-many-refused",
        "resting",
        "reserved",
        "spent",
        "too-large",
        "keys-failed",
        "our-place",
        "no-answer",
    ];
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Tokens used, by Google's account or an estimate.
    pub tokens: u64,
    /// Those of them that were the prompt's, by Google's account; 0 where it gave none.
    pub prompt_tokens: u64,
    /// Whether the answer came whole.
    pub ending: Ending,
}

impl End {
    /// The caller left, or nothing was served.
    pub const LEFT: End = End { tokens: 0, prompt_tokens: 0, ending: Ending::Left };
}

/// Whether an answer came whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Whole, as far as can be told.
    Whole,
    /// Cut or failed after its head.
    Broken,
    /// The caller left.
    Left,
}

/// An exchange under way. Every one that was begun must be finished.
#[derive(Debug)]
#[must_use = "an exchange that is not finished keeps its lease for ever"]
pub struct Exchange {
    pub(crate) mode: Mode,
    pub(crate) lane: Option<u16>,
    pub(crate) family: Family,
    pub(crate) metered: Metered,
    /// Kept only for a key that is yet to be proven: its lane is not known before.
    pub(crate) model: Option<Box<str>>,
    pub(crate) bearer: Option<KeyId>,
    pub(crate) tombstone: Option<Tombstone>,
    pub(crate) own: Option<Slot>,
    pub(crate) way: Way,
    pub(crate) proof: bool,
    pub(crate) source: SourceBlock,
    pub(crate) talk: [Option<u64>; 2],
    pub(crate) goes_on: bool,
    pub(crate) prompt_tokens: u32,
    /// The latest moment to which it may wait.
    pub(crate) patience: Mono,
    pub(crate) tried: [Option<Slot>; MAX_TRIED],
    pub(crate) tries: u8,
    pub(crate) running: Option<Running>,
    /// When the attempt under way was handed out: it was sent then, or a little later.
    pub(crate) sent: Mono,
    pub(crate) served: Option<Served>,
    /// The key that the next attempt must take.
    pub(crate) forced: Option<Slot>,
    pub(crate) second_chance: bool,
    /// Attempts that failed for reasons of the key, and those of them that met a spent quota.
    pub(crate) key_failures: u8,
    pub(crate) quota_failures: u8,
    pub(crate) pending: bool,
    pub(crate) deferred: Option<Verdict>,
    pub(crate) share: Option<Share>,
    pub(crate) guest: Option<Guest>,
    /// When the attempt under way, or the one that served, was counted against its key's quota,
    pub(crate) spent: Option<Mono>,
    /// and by how many tokens.
    pub(crate) spent_tokens: u32,
    /// The attempt tries a limit that only the pool's count enforces.
    pub(crate) beyond: bool,
    /// It was told to wait for a key,
    pub(crate) waited: bool,
    /// and nobody served it so far, through no fault of the caller's.
    pub(crate) failed: bool,
    /// What the last attempt's answer said.
    pub(crate) verdict: &'static str,
}

impl Exchange {
    /// What the last attempt's answer said; nothing before the first.
    pub fn last_verdict(&self) -> &'static str {
        self.verdict
    }

    /// Attempts made.
    pub fn attempts(&self) -> u8 {
        self.tries
    }

    /// The key that the caller showed.
    pub fn bearer(&self) -> Option<KeyId> {
        self.bearer
    }

    /// The same key's tombstone.
    pub fn tombstone(&self) -> Option<Tombstone> {
        self.tombstone
    }

    /// Whether the bearer's key is in the pool.
    pub fn bearer_is_known(&self) -> bool {
        self.own.is_some()
    }

    /// Whether the answer came from the caller's own key; nothing before an answer is there.
    pub fn served_by_own(&self) -> Option<bool> {
        self.served.map(|served| match served {
            Served::Bearer => true,
            Served::Slot(slot) => Some(slot) == self.own,
        })
    }

    /// What another part of the pool may be told of the bearer, if the call may be served there:
    /// it is a contributor's or a token's, and no key was tried for it here.
    pub fn guest(&self) -> Option<Guest> {
        let untried = self.mode == Mode::Pool && self.tries == 0;
        if self.guest == Some(Guest::Token) {
            return self.guest.filter(|_| untried);
        }
        let untried = untried && self.own.is_some();
        self.share.filter(|_| untried).map(|share| match share {
            Share::Entitled => Guest::Entitled,
            Share::Borrows | Share::Nothing => Guest::Borrows,
        })
    }

    pub(crate) fn has_tried(&self, slot: Slot) -> bool {
        self.tried.contains(&Some(slot))
    }

    pub(crate) fn has_tried_place(&self, at: u32) -> bool {
        self.tried.iter().flatten().any(|slot| slot.at == at)
    }
}

/// What an exchange may claim of what all keys have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// The own keys alone would serve it.
    Entitled,
    /// It is served from what is left over.
    Borrows,
    /// Nothing is left over for it: only the own key may serve it.
    Nothing,
}

/// How an exchange gets its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Answered here.
    Refused(Refusal),
    /// An unknown key: its own request is its proof.
    Proof,
    /// A disabled key: likewise.
    Revival,
    /// A withdrawn key: its bearer is served with it alone, and nothing is kept.
    Bare,
    /// The bearer's own key, once.
    Own,
    /// Anybody's.
    Pool,
}

/// An attempt under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Running {
    Bearer,
    Slot(Slot),
}

/// What served an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    Bearer,
    Slot(Slot),
}

/// Keys remembered as tried: one per attempt.
pub(crate) const MAX_TRIED: usize = 4;
