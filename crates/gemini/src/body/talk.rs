//! What a body says about its conversation: which one it is, and how much there is to read.

use super::hash::Hash;

/// How much of the first turn names the conversation. More would tell no more apart.
const FIRST_TURN_HASHED: u64 = 64 * 1024;

/// Bytes of text that make a token, the usual rule for western languages; others have fewer, so
/// that the estimate stays below the truth rather than above it.
const BYTES_PER_TOKEN: u64 = 4;

/// A picture is counted as 258 tokens, and so is a page or a second of film.
const TOKENS_PER_FILE: u64 = 258;

/// Above one picture, base64 is counted by length: a second of film, a page of a document and ten
/// seconds of speech all come near this.
const DATA_BYTES_PER_TOKEN: u64 = 512;

/// A film at a public address: half a minute of it. Nothing better is known before it is read.
const TOKENS_PER_LINK: u64 = 8 * 1024;

/// Which turns of a conversation begin it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// The first one, whoever speaks.
    Any,
    /// The first one of a user.
    User,
}

/// What is gathered about a conversation.
#[derive(Debug)]
pub(super) struct Talk {
    seed: u64,
    first: First,
    turn: Option<Turn>,
    pub(super) conversation: Option<u64>,
    pub(super) signature: Option<u64>,
    pub(super) has_model_turn: bool,
    text_bytes: u64,
    tokens: u64,
}

#[derive(Debug)]
struct Turn {
    hash: Hash,
    user: bool,
}

impl Talk {
    pub(super) fn new(seed: u64, first: First) -> Self {
        Talk {
            seed,
            first,
            turn: None,
            conversation: None,
            signature: None,
            has_model_turn: false,
            text_bytes: 0,
            tokens: 0,
        }
    }

    pub(super) fn turn_begins(&mut self) {
        if self.conversation.is_none() {
            self.turn = Some(Turn { hash: Hash::new(self.seed), user: false });
        }
    }

    pub(super) fn turn_ends(&mut self) {
        if let Some(turn) = self.turn.take()
            && (turn.user || self.first == First::Any)
        {
            self.conversation = Some(turn.hash.finish());
        }
    }

    /// A part of a string that belongs to the turn, if one is being read.
    pub(super) fn says(&mut self, bytes: &[u8]) {
        if let Some(turn) = &mut self.turn {
            let room = FIRST_TURN_HASHED.saturating_sub(turn.hash.len());
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            turn.hash.write(&bytes[..bytes.len().min(room)]);
        }
    }

    /// Keeps `["ab"]` and `["a", "b"]` apart.
    pub(super) fn says_end(&mut self) {
        self.says(&[0xff]);
    }

    pub(super) fn role(&mut self, role: &[u8]) {
        match role {
            b"user" => {
                if let Some(turn) = &mut self.turn {
                    turn.user = true;
                }
            }
            b"model" | b"assistant" | b"tool" | b"function" => self.has_model_turn = true,
            _ => {}
        }
    }

    pub(super) fn signed(&mut self, hash: &Hash) {
        self.signature = Some(hash.finish());
    }

    pub(super) fn text(&mut self, bytes: usize) {
        self.text_bytes += bytes as u64;
    }

    pub(super) fn data(&mut self, bytes: u64) {
        self.tokens += TOKENS_PER_FILE.max(bytes / DATA_BYTES_PER_TOKEN);
    }

    pub(super) fn link(&mut self) {
        self.tokens += TOKENS_PER_LINK;
    }

    pub(super) fn prompt_tokens(&self) -> u32 {
        let words = self.text_bytes.div_ceil(BYTES_PER_TOKEN);
        u32::try_from(words + self.tokens).unwrap_or(u32::MAX)
    }
}
