//! The edge edition: a Cloudflare Worker with D1 and one Durable Object.
//!
//! Many isolates all over the world answer requests; one object holds the pool, so that all of them
//! choose out of the same memory. D1 is read once, when that object wakes up, and from then on only
//! written.
//!
//! Rule: what needs no JavaScript is pure and stands outside the `cfg`s, so that the host's
//! toolchain lints and tests it; what is left is as thin as it can be, and tested inside workerd
//! by `cargo xtask worker test`.
//!
//! In an isolate:
//!
//! - `handle`: where requests come in; [`asked`]: what they ask; `local`: what is ours; `operators`:
//!   what is theirs;
//! - `pooled`, `own`, `uploads`, `download`, `live`: the kinds of calls;
//! - `lease`: an exchange under way; [`leases`], [`garbage`], `memory`: what an isolate remembers;
//! - `forward`, `region`, `platform`: to Google and back; `served`, `passing`: what callers get;
//! - `object`, [`mod@line`]: the line to the object, and what is said on it.
//!
//! In the object:
//!
//! - `pool`: the object; `awake`: what it knows and answers; [`exchanges`]: what isolates have open;
//! - `scribe`: what it writes down; `watch`: what is wrong; `probe`: what it asks Google;
//! - `d1`, [`statements`], [`rows`], [`fault`]: what goes to D1, what comes back, what errors mean.
//!
//! In both: [`settings`], [`fixed`], `hand`, [`unfit`] (why it cannot serve yet), [`reply`],
//! [`clock`], [`lent`], [`caller`]. `contract` is the store's suite, never deployed.

pub mod asked;
#[cfg(target_arch = "wasm32")]
mod awake;
pub mod caller;
pub mod clock;
#[cfg(all(target_arch = "wasm32", feature = "contract"))]
mod contract;
#[cfg(target_arch = "wasm32")]
mod d1;
#[cfg(target_arch = "wasm32")]
mod download;
pub mod exchanges;
pub mod fault;
pub mod fixed;
#[cfg(target_arch = "wasm32")]
mod forward;
pub mod garbage;
#[cfg(target_arch = "wasm32")]
mod hand;
#[cfg(target_arch = "wasm32")]
mod handle;
#[cfg(target_arch = "wasm32")]
mod kept;
#[cfg(target_arch = "wasm32")]
mod lease;
pub mod leases;
pub mod lent;
pub mod line;
#[cfg(target_arch = "wasm32")]
mod live;
#[cfg(target_arch = "wasm32")]
mod local;
#[cfg(target_arch = "wasm32")]
mod memory;
#[cfg(target_arch = "wasm32")]
mod object;
#[cfg(target_arch = "wasm32")]
mod operators;
#[cfg(target_arch = "wasm32")]
mod own;
#[cfg(target_arch = "wasm32")]
mod passing;
#[cfg(target_arch = "wasm32")]
mod platform;
#[cfg(target_arch = "wasm32")]
mod pool;
#[cfg(target_arch = "wasm32")]
mod pooled;
#[cfg(target_arch = "wasm32")]
mod probe;
#[cfg(target_arch = "wasm32")]
mod region;
pub mod reply;
pub mod rows;
#[cfg(target_arch = "wasm32")]
mod scribe;
#[cfg(target_arch = "wasm32")]
mod served;
pub mod settings;
pub mod statements;
pub mod unfit;
#[cfg(target_arch = "wasm32")]
mod uploads;
#[cfg(target_arch = "wasm32")]
mod watch;
