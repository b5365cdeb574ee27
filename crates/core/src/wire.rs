//! What the pool takes from the wire's side, in one place.

pub use potluck_gemini::Family;

/// Placeholder until the wire crate's own is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Metered(u16);

impl Metered {
    /// None.
    pub const NONE: Metered = Metered(0);
    /// Search.
    pub const SEARCH: Metered = Metered(1);
    /// Whether nothing is metered.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// As bits.
    pub const fn bits(self) -> u16 {
        self.0
    }
    /// From bits.
    pub const fn from_bits(bits: u16) -> Self {
        Metered(bits)
    }
}

/// Placeholder.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Failure {
    pub status: u16,
    pub message: String,
    pub status_text: Option<String>,
    pub reason: Option<String>,
    pub consumer: Option<String>,
    pub quotas: Vec<Quota>,
    pub retry_delay: Option<std::time::Duration>,
    pub code: Option<String>,
    pub html: bool,
    pub details: bool,
}

/// Placeholder.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Quota {
    pub id: String,
    pub metric: String,
    pub model: Option<String>,
    pub limit: Option<u64>,
}
