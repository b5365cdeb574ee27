//! The pool in virtual time: the real core, true quotas, many contributors, days in seconds.
//!
//! Why: whether a policy spends every quota, wastes no call and leaves nobody worse off shows only
//! over days of many people's calls. Here they pass in seconds, and the same seed gives the same
//! result every time: no clock, no hash order, no chance but the seed's.
//!
//! - [`world`]: who is there and what will be asked; [`google`]: the truth about quotas;
//! - [`policy`]: ways to choose keys, the real core first; [`run`]: one of them through a world;
//! - [`oracle`]: the best that could be done; [`study`]: the table;
//! - [`check`]: the core's promises, after every step of random scripts.

pub mod check;
pub mod google;
pub mod oracle;
pub mod policy;
pub mod rng;
pub mod run;
pub mod study;
pub mod world;
