//! What both editions say and do alike, so that a rule changed once holds in both.
//!
//! Rule: pure. An edition brings sockets, clock and store; the words and shapes are made here, out
//! of what the pool tells.
//!
//! - [`problem`]: what the pool's refusals say to a caller;
//! - [`calls`]: a caller's request in the pool's terms; [`patience`]: how long it may take;
//! - [`sockets`]: how Live sockets are bounded, and what their ends are told;
//! - [`redirect`]: where downloads lead; [`uploads`]: how their URLs are signed; [`storing`]: asking
//!   Google not to keep what is pooled;
//! - [`marks`]: what is written on every proxied answer, and how its body is read;
//! - [`me`], [`table`], [`badge`]: what contributors and passers-by see of the pool;
//! - [`admin`]: what operators ask and decide; [`gate`]: how often their token may be tried;
//! - [`front`]: pages for people;
//! - [`pages`]: our own paths, and what browsers are told; [`ids`]: names for requests;
//! - [`alarm`]: what operators read in the log; [`watchman`]: what is wrong; [`alarms`]: what stands,
//!   and was told of late; [`numbers`]: what they measure by;
//! - [`admission`]: who may come without a key, and with one that nobody knows;
//! - [`spent`]: what an answer used; [`usage`]: what was used, day by day;
//! - [`rows`], [`orders`]: the pool's words in the store's, and back.

pub mod admin;
pub mod admission;
pub mod alarm;
pub mod alarms;
pub mod badge;
pub mod calls;
pub mod front;
pub mod gate;
pub mod ids;
pub mod marks;
pub mod me;
pub mod numbers;
pub mod orders;
pub mod pages;
pub mod patience;
pub mod problem;
pub mod redirect;
pub mod rows;
pub mod sockets;
pub mod spent;
pub mod storing;
pub mod table;
pub mod uploads;
pub mod usage;
pub mod watchman;
