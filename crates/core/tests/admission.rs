//! Callers who bring no key, and keys that nobody knows.
#![allow(clippy::unwrap_used, missing_docs)]

mod table;

use std::collections::BTreeMap;

use potluck_core::{Call, Guest, KeyId, LimitsPatch, Refusal, Strangers, Way};
use potluck_gemini::failure::Failure;
use table::*;

/// Calls a day of each key.
const A_DAY: u32 = 20;

#[derive(Default)]
struct Google {
    spent: BTreeMap<u32, u32>,
}

impl Google {
    fn ask(&mut self, key: u32) -> Option<Failure> {
        let spent = self.spent.entry(key).or_default();
        *spent += 1;
        let id = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
        (*spent > A_DAY).then(|| quota(id, &A_DAY.to_string(), Some(38)))
    }
}

/// A pool whose contributors have met their limits once, and then used most of their own for a week;
/// it is the next day's noon.
fn used_to(keys: u32, usual: u32) -> (Table, Google) {
    let mut table = Table::of(keys);
    for calls in [[A_DAY + 1].as_slice(), &[usual; 7]].concat() {
        let mut google = Google::default();
        for bearer in 0..keys {
            let own = Call { own_requested: true, ..Call::plain(id(bearer), MODEL) };
            served(&mut table, &mut google, own, calls);
        }
        table.run_until(table.now.mono + seconds(24 * 3600));
    }
    (table, Google::default())
}

fn token(number: u8) -> KeyId {
    KeyId([200 + number; 16])
}

fn by_token(number: u8) -> Call<'static> {
    Call { guest: Some(Guest::Token), ..Call::plain(token(number), MODEL) }
}

fn served(table: &mut Table, google: &mut Google, call: Call<'_>, calls: u32) -> u32 {
    let serves = |_: &u32| table.ask(call, |key| google.ask(key)).result == Result::Answer;
    (0..calls).filter(serves).count() as u32
}

#[test]
fn a_token_is_served_with_what_is_left_over_and_takes_nothing_from_contributors() {
    let (mut table, mut google) = used_to(20, 15);

    let got = served(&mut table, &mut google, by_token(1), 1000);

    assert!((1..=150).contains(&got), "{got} of 400");
    let last = table.ask(by_token(1), |key| google.ask(key)).result;
    assert!(matches!(last, Result::Refused(Refusal::Reserved { .. })), "{last:?}");
    for bearer in 0..20 {
        let own = served(&mut table, &mut google, Call::plain(id(bearer), MODEL), 12);
        assert_eq!(own, 12, "{bearer}");
    }
}

#[test]
fn a_token_that_has_had_less_still_finds_something() {
    let (mut table, mut google) = used_to(50, 10);
    assert_eq!(served(&mut table, &mut google, by_token(2), 1), 1);

    let greedy = served(&mut table, &mut google, by_token(1), 2000);
    let modest = served(&mut table, &mut google, by_token(2), 5);

    assert!(greedy > 50, "{greedy}");
    assert_eq!(modest, 5, "the greedy one had {greedy}");
    assert_eq!(served(&mut table, &mut google, by_token(1), 5), 0);
}

#[test]
fn a_token_takes_the_keys_in_turn_and_none_that_is_not_lent() {
    let mut table = Table::of(4);
    table.change(3, LimitsPatch { paused: Some(true), ..LimitsPatch::default() });
    let mut keys: Vec<u32> = (0..6).map(|_| table.ask(by_token(1), |_| None).tried[0]).collect();
    keys.sort_unstable();
    assert_eq!(keys, [0, 0, 1, 1, 2, 2]);
    assert!(!table.pool.knows(token(1)), "it brings nothing, and joins nothing");
    let spent = Call { way: Way::OwnOnly, own_requested: true, ..by_token(1) };
    assert!(table.ask(spent, |_| None).tried[0] < 3, "there is no key of its own to ask with");
}

#[test]
fn a_key_that_nobody_knows_goes_nowhere_unless_strangers_are_welcome() {
    for (strangers, refusal) in
        [(Strangers::Uninvited, Refusal::Uninvited), (Strangers::Closed, Refusal::Closed)]
    {
        let mut table = Table::of(3);
        table.pool.withdraw(id(2), grave(2), table.now).unwrap();
        let plain = |number| Call {
            strangers,
            tombstone: Some(grave(number)),
            ..Call::plain(id(number), MODEL)
        };
        for call in [
            plain(9),
            plain(2),
            Call { way: Way::OwnOnly, proof: false, ..plain(9) },
            Call { own_requested: true, ..plain(2) },
        ] {
            let asked = table.ask(call, |_| None);
            assert_eq!((asked.tried, asked.result), (vec![], Result::Refused(refusal)));
        }
        let failed = |(name, count): &(&str, u64)| *name == "failed" && *count > 0;
        assert!(!table.pool.metrics().ended.iter().any(failed), "no failure of ours");
        assert_eq!(table.ask(plain(0), |_| None).result, Result::Answer);
        // A key that died is known, and proves itself as ever.
        while table.state(1) != "disabled" {
            table.ask(Call { way: Way::OwnOnly, ..plain(1) }, |_| Some(dead()));
        }
        let again = table.ask(plain(1), |_| None);
        assert_eq!((again.tried, again.result), (vec![BEARER], Result::Answer));
        assert_eq!(table.state(1), "active");
    }
}
