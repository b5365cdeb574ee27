//! A stand-in for Google's Gemini API, for tests, benches and first steps without a key.
//!
//! It answers like the real one as far as SDKs and proxies can tell: keys that belong to projects
//! and can be in any bad state, quotas by minute and day, every error body known, credential
//! placement, event streams and JSON arrays, uploads, files, caches, Live sockets. What it is
//! asked to do wrong (stall, cut, lie about lengths), it does; what arrived, it remembers.
//!
//! ```no_run
//! use gemini_sim::{Act, Config, Key, Rule, Sim};
//!
//! let sim = Sim::start(Config::default().keys([Key::new("AIzaSyExample", 1)]))?;
//! sim.rule(Rule::next(2, Act::Sample("high_demand".into())));
//! println!("{}", sim.url());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! One request's way: [`serve`] accepts, [`handle`] notes it and looks for a rule, [`credential`]
//! admits it, [`native`] or [`compat`] answers it, [`faults`] sends the answer, or spoils it.

pub mod answer;
pub mod caches;
pub mod call;
pub mod catalog;
pub mod compat;
pub mod config;
pub mod control;
pub mod credential;
pub mod fast;
pub mod faults;
pub mod files;
pub mod generate;
pub mod gzip;
pub mod handle;
pub mod interactions;
pub mod key;
pub mod line;
pub mod live;
pub mod log;
pub mod mind;
pub mod native;
pub mod passage;
pub mod path;
pub mod problem;
pub mod quota;
pub mod raw;
pub mod rule;
pub mod samples;
pub mod serve;
pub mod session;
pub mod shelf;
pub mod sim;
pub mod things;
pub mod tls;
pub mod upload;
pub mod world;

pub use catalog::{Model, Tier};
pub use config::Config;
pub use key::{Key, KeyState};
pub use log::{Arrival, Counters};
pub use problem::Family;
pub use quota::{Limits, Window};
pub use rule::{Act, Form, Rule, When};
pub use sim::Sim;
