//! What a watch is told of a stream, and what it tells.

/// How an answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Native events: whole with a `finishReason` or a `blockReason`.
    Native,
    /// Compatible events: whole with `[DONE]`.
    Compat,
    /// A JSON list, or one JSON answer: read for its usage, not judged.
    Json,
    /// Anything else: passed unread.
    Opaque,
}

/// What may go out of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen<'w> {
    /// All of it, as it is.
    Pass,
    /// First `before`, which was held of earlier chunks, then this many bytes of the chunk. What
    /// is left of the chunk is held here.
    Part {
        /// Held bytes that are free to go.
        before: &'w [u8],
        /// How many bytes of the chunk may go.
        pass: usize,
    },
    /// The stream failed. This may still go as in `Part`, then nothing: keep pushing until
    /// [`told`](super::Watch::told) or the end, then send
    /// [`error_event`](super::Watch::error_event) and abort.
    Failed {
        /// Held bytes that are free to go.
        before: &'w [u8],
        /// How many bytes of the chunk may go.
        pass: usize,
    },
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it should, or in a framing that is not judged.
    Whole,
    /// Too early.
    Broken,
}
