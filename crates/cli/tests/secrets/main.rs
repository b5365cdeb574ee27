//! No key, whole or in part, leaves by any way but the one to Google: a hundred canaries go down
//! every path while the log is at TRACE, and then everything is searched for them.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

#[allow(dead_code)]
#[path = "../live/client.rs"]
mod client;

mod net;
mod sockets;
mod table;
mod ways;

use std::fs;

use common::serving::{Potluck, sim};
use common::{potluck, run};
use table::{Table, assert_clean};

#[test]
fn no_canary_is_heard_logged_or_stored_in_the_clear() {
    for format in ["text", "json"] {
        let mut table = Table::set(format);

        ways::all(&mut table);
        let before = table.redacted();
        sockets::all(&mut table);
        assert!(before > 50 && table.redacted() > before + 50, "Google did echo keys");

        table.look_through();
        table.restart();
        ways::again(&mut table);
        table.look_through();
        table.stop();
        table.look_through_files(&table.net());
    }
}

#[test]
fn a_wrong_master_key_is_refused_without_a_word_of_either() {
    let mut table = Table::set("text");
    (1..=10).for_each(|n| table.join(n));
    table.stop();
    let sim = sim(0);
    let other = Potluck::start(&sim);
    let wrong = fs::read_to_string(other.data().join("master-key")).unwrap();
    let right = fs::read_to_string(table.potluck.data().join("master-key")).unwrap();
    let data = format!("--data={}", table.potluck.data().display());
    let here = common::folder();

    let ended = run(potluck(&here)
        .args(["serve", "--listen=127.0.0.1:0", "--log=trace", &data])
        .env("POTLUCK_MASTER_KEY", wrong.trim()));

    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("sealed with another master key"), "{}", ended.err);
    let said = ended.err + &ended.out;
    assert_clean(&table.net(), "what it said", said.as_bytes());
    let own = net::Net::new([wrong.trim(), right.trim()]);
    assert_clean(&own, "what it said", said.as_bytes());
}
