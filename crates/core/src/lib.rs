//! The pool: many people's keys, and which of them serves a call now.
//!
//! No I/O, no clock, no randomness, no globals: time, a seed and Google's answers come in as
//! arguments; what to send, store or wait for comes out. [`Pool`] is the whole of it; its docs
//! give the order in which its methods are called.
//!
//! - [`call`]: an exchange's terms, from the call to its end;
//! - [`verdict`]: what an answer of Google's says, in one table;
//! - [`limits`]: what a contributor allows;
//! - [`event`]: what the pool wants stored, probed or shouted;
//! - [`record`]: what the pool tells of itself.
//!
//! Beside the pool stand two books about who may come to it at all: [`tokens`] and [`invites`].

mod assoc;
mod budget;
pub mod call;
mod config;
pub mod event;
mod guard;
mod habit;
mod id;
pub mod invites;
mod key;
mod keys;
mod lane;
mod learned;
mod ledger;
pub mod limits;
mod meter;
mod pool;
mod quota;
mod rare;
pub mod record;
mod refused;
mod rest;
mod ring;
mod spill;
mod tally;
mod time;
pub mod tokens;
mod usage;
pub mod verdict;
mod window;
mod wire;

pub use call::{
    After, Attempt, Call, End, Ending, Exchange, Guest, Outcome, Refusal, SourceBlock, Step,
    Strangers, Talk, Way, Whose,
};
pub use config::Config;
pub use event::{Alarm, Event};
pub use id::{InviteId, KeyId, Slot, TokenId, Tombstone};
pub use key::{Reason, State};
pub use limits::{Limits, LimitsPatch, LimitsRefused};
pub use pool::{
    Amount, Changed, Listing, Pool, Seen, Sight, Sought, Used, Why, Withdrawal, judge_probe,
};
pub use record::{Census, KeyRecord, Me, MeCooldown, Metrics, Outlook, Room, Summary};
pub use rest::{Cause, CooldownRecord, Scope, family_name};
pub use spill::{Seek, Spill};
pub use tally::Hour;
pub use time::{Mono, Now, Wall, next_midnight};
pub use usage::Usage;
pub use verdict::Verdict;
