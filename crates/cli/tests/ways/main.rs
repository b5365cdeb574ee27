//! Ways in and out: TLS and proxies, pages of our own, who may read them from where.
//!
//! - `out`: TLS to Google under another authority, egress through a proxy; `admin`: what operators do;
//! - `pages`: what is answered here, and CORS; `doors`: who is believed to come from where, TLS.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod admin;
mod alarms;
mod copies;
mod doctor;
mod doors;
mod import;
mod kitchen;
mod numbers;
mod out;
mod pages;
mod proxy;
mod stopped;
mod traces;
