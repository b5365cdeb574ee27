//! What isolates and the object say to each other.
//!
//! One message holds all that an isolate has to tell since its last one and, most of the time, one
//! question. Rule: a key crosses sealed, a caller by what the vault makes of the own key; and what
//! is told comes before what is asked, so that an answer knows of it.

use potluck_core::{
    After, Call, End, Guest, KeyId, Outcome, Refusal, SourceBlock, Strangers, Talk, Tombstone, Way,
};
use potluck_edition::admin::adding::Became;
use potluck_gemini::Family;
use potluck_gemini::body::Metered;
use potluck_gemini::failure::Failure;
use serde::{Deserialize, Serialize};

/// Names an exchange that the object holds open: whoever begins it draws the name at random.
pub type Token = u64;

/// From an isolate to the object.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Said {
    /// In the order in which it happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Told>,
    /// What the isolate waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

/// What happened in an isolate.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Told {
    /// An exchange that was begun ahead serves this call.
    TakenUp(Token, Talk),
    /// A 2xx head is there.
    Served(Token),
    /// An error came behind that head.
    Interrupted(Token, Box<Failure>),
    /// It is over.
    Ended(Token, End),
    /// It was begun ahead, and no call came.
    GivenBack(Token),
    /// Another part of the pool served this bearer, with so many tokens.
    Borrowed(#[serde(with = "hex_bytes")] [u8; 16], u64),
    /// A key that was lent cannot be unsealed.
    Unreadable(#[serde(with = "hex_bytes")] [u8; 16]),
}

/// What an isolate wants to know.
#[derive(Debug, Serialize, Deserialize)]
pub enum Asked {
    /// Which key, for this call; and as many exchanges like it, begun ahead.
    Begin {
        /// What the isolate calls it; asked twice, it is begun once.
        exchange: Token,
        /// What is asked of Google.
        call: Box<CallSaid>,
        /// How many more calls like it are expected in the next seconds.
        ahead: u32,
    },
    /// What becomes of an attempt's answer, and the next step if there is one.
    Report(Token, OutcomeSaid),
    /// The next step, the wait being over.
    Next(Token),
    /// Whether the bearer's key is stored now.
    Admit {
        /// The exchange that proved it.
        exchange: Token,
        /// The key, sealed.
        #[serde(with = "hex_vec")]
        sealed: Vec<u8>,
    },
    /// Whether a key is in the pool.
    Knows(#[serde(with = "hex_bytes")] [u8; 16]),
    /// Whether a key is in the pool, or its contributor withdrew it.
    Remembers {
        /// Its id.
        #[serde(with = "hex_bytes")]
        id: [u8; 16],
        /// What would remain of it.
        #[serde(with = "hex_bytes")]
        tombstone: [u8; 16],
    },
}

/// From the object to an isolate.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// The exchange that was asked about; none if the object knows of none.
    pub exchange: Option<Token>,
    /// The bearer's key is in the pool.
    #[serde(default)]
    pub known: bool,
    /// What becomes of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepSaid>,
    /// What another part of the pool may be told of the bearer, where this one refuses the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<Guest>,
    /// Exchanges begun ahead, good for [`LEASE`](crate::exchanges::LEASE).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ahead: Vec<Ahead>,
}

/// A step, as [`potluck_core::Step`] is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum StepSaid {
    /// Try with the key that the caller showed.
    Bearer {
        /// Which attempt that is.
        number: u8,
    },
    /// Try with this key.
    Key {
        /// Which attempt that is.
        number: u8,
        /// The key.
        key: LentSaid,
    },
    /// Ask again in so many milliseconds.
    Wait(u64),
    /// Answer the caller.
    Refuse(Refusal),
}

/// A key on its way to an isolate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LentSaid {
    /// Its id.
    #[serde(with = "hex_bytes")]
    pub id: [u8; 16],
    /// The caller's own.
    pub own: bool,
    /// The key, sealed.
    #[serde(with = "hex_vec")]
    pub sealed: Vec<u8>,
}

impl std::fmt::Debug for LentSaid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LentSaid({})", KeyId(self.id))
    }
}

/// An exchange that was begun ahead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ahead {
    /// Its name.
    pub exchange: Token,
    /// Its key.
    pub key: LentSaid,
}

/// A [`Call`] that travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallSaid {
    /// The caller's key.
    #[serde(with = "hex_bytes")]
    pub bearer: [u8; 16],
    /// What would remain of it.
    #[serde(with = "hex_bytes")]
    pub tombstone: [u8; 16],
    /// The model.
    pub model: Option<String>,
    /// The kind of method.
    pub family: Family,
    /// The metered features.
    pub metered: Metered,
    /// Whose key may serve.
    pub way: Way,
    /// A 2xx proves the key.
    pub proof: bool,
    /// What only this call says.
    pub talk: Talk,
    /// The caller's address block.
    #[serde(with = "hex_bytes")]
    pub source: [u8; 16],
    /// The caller asked for the own key.
    pub own_requested: bool,
    /// Another part of the pool vouches for the bearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<Guest>,
}

impl CallSaid {
    /// As the pool takes it.
    pub fn call(&self) -> Call<'_> {
        let CallSaid { family, metered, way, proof, own_requested, guest, .. } = *self;
        let Talk { conversation, signature, has_model_turn, prompt_tokens } = self.talk;
        Call {
            bearer: Some(KeyId(self.bearer)),
            tombstone: Some(Tombstone(self.tombstone)),
            model: self.model.as_deref(),
            family,
            metered,
            way,
            proof,
            conversation,
            signature,
            has_model_turn,
            prompt_tokens,
            source: SourceBlock(u128::from_be_bytes(self.source)),
            own_requested,
            guest,
            strangers: Strangers::Welcome,
        }
    }
}

/// A key that an operator adds, on its way to the object.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedSaid {
    /// The line that it stood in, from 1.
    pub line: usize,
    /// Its id.
    #[serde(with = "hex_bytes")]
    pub id: [u8; 16],
    /// What would remain of it.
    #[serde(with = "hex_bytes")]
    pub tombstone: [u8; 16],
    /// The key, sealed.
    #[serde(with = "hex_vec")]
    pub sealed: Vec<u8>,
}

/// What became of a key that an operator adds, where that is for the object to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BecameSaid {
    /// It is in the pool now.
    Added,
    /// It was there already.
    Known,
    /// Its contributor withdrew it.
    Withdrawn,
    /// There is no room.
    Full,
    /// It could not be stored.
    Failed,
}

impl BecameSaid {
    /// As it is reported.
    pub fn became(self, id: KeyId) -> Became {
        match self {
            BecameSaid::Added => Became::Added(id),
            BecameSaid::Known => Became::Known(id),
            BecameSaid::Withdrawn => Became::Withdrawn,
            BecameSaid::Full => Became::Full,
            BecameSaid::Failed => Became::Failed,
        }
    }
}

/// How an attempt went, up to the answer's head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum OutcomeSaid {
    /// See [`Outcome::Served`].
    Served,
    /// See [`Outcome::Failed`].
    Failed(Box<Failure>),
    /// See [`Outcome::NoAnswer`].
    NoAnswer,
}

impl OutcomeSaid {
    /// As the pool takes it.
    pub fn outcome(&self) -> Outcome<'_> {
        match self {
            OutcomeSaid::Served => Outcome::Served,
            OutcomeSaid::Failed(failure) => Outcome::Failed(failure),
            OutcomeSaid::NoAnswer => Outcome::NoAnswer,
        }
    }
}

/// How an exchange ends of which nothing is known any more.
pub const LOST: End = End::LEFT;

/// Bytes as text, since JSON has none.
mod hex_bytes {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8; 16], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 16], D::Error> {
        let mut bytes = [0; 16];
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        hex::decode_to_slice(&*text, &mut bytes).map_err(D::Error::custom)?;
        Ok(bytes)
    }
}

/// Bytes of any number as text.
mod hex_vec {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        hex::decode(&*text).map_err(D::Error::custom)
    }
}
