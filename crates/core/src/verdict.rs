//! What an upstream answer says about the key, the request or the upstream: one table.
use std::time::Duration;
use crate::key::Reason;
/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict { 
    /// x
    Served,
    /// x
    CallerFault,
    /// x
    Unclear,
    /// x
    Signature,
    /// x
    KeyDead(Reason),
    /// x
    PerhapsDead(Reason),
    /// x
    ModelClosed,
    /// x
    LimitZero,
    /// x
    Minute(Duration),
    /// x
    Day,
    /// x
    Unnamed,
    /// x
    Billing,
    /// x
    TooLarge(u64),
    /// x
    Trouble,
    /// x
    OurPlace,
}
