//! What every store is tested against.
//!
//! A store's tests hand each of [`CASES`] an empty [`Place`] and await it; a broken promise panics
//! with its name. Nothing here knows an engine, a runtime or a clock, so the same cases run inside
//! a server's tests and inside an isolate.

#![allow(clippy::unwrap_used)]

mod admission;

use std::pin::Pin;

use potluck_vault::Sealed;

use crate::rows::{
    Cooldown, KeyRow, KeyState, Learned, Limits, Quota, RowId, Snapshot, Sweep, Tombstone, Usage,
    UsageTotal, UseOf,
};
use crate::{Answer, Inserted, Store, StoreError, sql};

pub use admission::{ADMISSION_CASES, AdmissionCase, AdmissionPlace};

/// Where a store's data lies; opening it again finds what was there.
pub trait Place {
    /// Opens the store. The one opened before has been closed.
    fn open(&self) -> Answer<Box<dyn Store>>;
}

/// One promise on trial.
pub type Case = for<'p> fn(&'p dyn Place) -> Pin<Box<dyn Future<Output = ()> + 'p>>;

macro_rules! cases {
    ($($(#[doc = $doc:literal])* $name:ident)*) => {
        /// All promises by name; each wants a place of its own, empty.
        pub const CASES: &[(&str, Case)] = &[$(
            (stringify!($name), |place| Box::pin($name(place))),
        )*];
    };
}

cases! {
    an_empty_place_loads_as_nothing
    everything_is_there_after_opening_again
    a_key_is_stored_once
    a_withdrawn_key_stays_out_until_its_tombstone_is_lifted
    withdrawing_takes_all_that_is_remembered
    a_key_that_an_operator_put_out_stays_withdrawn
    state_and_limits_are_kept
    absent_keys_are_told_and_get_nothing
    a_keys_rests_replace_the_former_ones
    what_was_learned_replaces_the_former
    what_was_learned_and_not_used_is_forgotten
    an_erased_key_may_join_again
    usage_adds_up_and_stops_at_the_largest_number
    use_is_told_of_one_key_of_each_and_of_all_together
    old_days_are_summed_up
    keys_disabled_too_long_are_erased
    a_sweep_takes_some_at_a_time
    a_malformed_row_is_refused_whole
    many_at_once_are_all_answered
    a_closed_store_says_so
}

async fn an_empty_place_loads_as_nothing(place: &dyn Place) {
    let store = place.open().await.unwrap();

    assert_eq!(store.load(0).await, Ok(Snapshot::default()));
    assert!(store.healthy());
}

async fn everything_is_there_after_opening_again(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.insert(row(1), stone(1)).await.unwrap();
    store.insert(row(2), stone(2)).await.unwrap();
    store.set_cooldowns(id(1), vec![rest(1, "flash", 900)]).await.unwrap();
    store.set_cooldowns(id(2), vec![rest(2, "all", 950)]).await.unwrap();
    store.add_usage(vec![used(1, 20_000, "flash", 3), used(1, 20_001, "pro", 4)]).await.unwrap();
    store.set_learned(vec![known(1, 20_001, "some"), known(2, 9, "more")]).await.unwrap();
    store.set_quotas(vec![quota(1, "flash", 20_001), quota(0, "pro", 9)]).await.unwrap();
    store.withdraw(id(2), Tombstone { id: stone(2), at: 120 }).await.unwrap();
    let before = store.load(20_001).await.unwrap();

    store.close().await.unwrap();
    let after = place.open().await.unwrap().load(20_001).await.unwrap();

    assert_eq!(after, before);
    assert_eq!(after.keys, [row(1)]);
    assert_eq!(after.cooldowns, [rest(1, "flash", 900)]);
    assert_eq!(after.usage, [used(1, 20_001, "pro", 4)]);
    assert_eq!(after.totals, [(id(1), amount(7))]);
    assert_eq!(after.learned, [known(1, 20_001, "some")]);
    assert_eq!(after.quotas, [quota(0, "pro", 9), quota(1, "flash", 20_001)]);
    assert_eq!(after.tombstones, [Tombstone { id: stone(2), at: 120 }]);
}

async fn a_key_is_stored_once(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let later = KeyRow { joined_at: 999, sealed: Sealed::from_bytes(vec![9; 60]), ..row(1) };

    assert_eq!(store.insert(row(1), stone(1)).await, Ok(Inserted::Stored));
    assert_eq!(store.insert(later, stone(1)).await, Ok(Inserted::Already));

    assert_eq!(store.load(0).await.unwrap().keys, [row(1)]);
}

async fn a_withdrawn_key_stays_out_until_its_tombstone_is_lifted(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.insert(row(1), stone(1)).await.unwrap();

    assert_eq!(store.withdraw(id(1), Tombstone { id: stone(1), at: 5 }).await, Ok(true));
    assert_eq!(store.insert(row(1), stone(1)).await, Ok(Inserted::Withdrawn));
    assert_eq!(store.load(0).await.unwrap().keys, []);
    assert_eq!(store.lift(stone(1)).await, Ok(true));
    assert_eq!(store.lift(stone(1)).await, Ok(false));
    assert_eq!(store.insert(row(1), stone(1)).await, Ok(Inserted::Stored));
}

async fn a_key_that_an_operator_put_out_stays_withdrawn(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let out = |reason: &str| KeyState::Disabled { reason: reason.to_owned() };
    for (n, reason) in [(1, "operator"), (2, "invalid")] {
        store.insert(row(n), stone(n)).await.unwrap();
        store.set_state(id(n), out(reason), 4).await.unwrap();
        store.withdraw(id(n), Tombstone { id: stone(n), at: 5 }).await.unwrap();
    }
    assert_eq!(store.load(0).await.unwrap().barred, [stone(1)]);

    assert_eq!(store.lift(stone(1)).await, Ok(false));
    assert_eq!(store.lift(stone(2)).await, Ok(true));

    assert_eq!(store.insert(row(1), stone(1)).await, Ok(Inserted::Withdrawn));
    assert_eq!(store.insert(row(2), stone(2)).await, Ok(Inserted::Stored));
}

async fn withdrawing_takes_all_that_is_remembered(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.insert(row(1), stone(1)).await.unwrap();
    store.set_cooldowns(id(1), vec![rest(1, "flash", 900)]).await.unwrap();
    store.add_usage(vec![used(1, 20_000, "flash", 3)]).await.unwrap();
    store.set_learned(vec![known(1, 20_000, "before")]).await.unwrap();

    store.withdraw(id(1), Tombstone { id: stone(1), at: 5 }).await.unwrap();
    // These were on their way.
    store.set_cooldowns(id(1), vec![rest(1, "pro", 900)]).await.unwrap();
    store.add_usage(vec![used(1, 20_000, "pro", 3)]).await.unwrap();
    store.set_learned(vec![known(1, 20_000, "late")]).await.unwrap();

    let tombstones = vec![Tombstone { id: stone(1), at: 5 }];
    assert_eq!(store.load(0).await, Ok(Snapshot { tombstones, ..Snapshot::default() }));
    assert_eq!(store.withdraw(id(1), Tombstone { id: stone(1), at: 6 }).await, Ok(false));
}

async fn state_and_limits_are_kept(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.insert(row(1), stone(1)).await.unwrap();
    let lists = [None, Some(vec![]), Some(vec!["gemini-3-pro".to_owned(), "veo".to_owned()])];

    for lend_models in lists {
        let limits = Limits { paused: true, borrow: false, lend_per_day: Some(0), lend_models };
        assert_eq!(store.set_limits(id(1), limits.clone()).await, Ok(true));
        assert_eq!(store.load(0).await.unwrap().keys[0].limits, limits);
    }
    for state in [disabled(), KeyState::Active] {
        assert_eq!(store.set_state(id(1), state.clone(), 77).await, Ok(true));
        let key = store.load(0).await.unwrap().keys.remove(0);
        assert_eq!((key.state, key.changed_at), (state, 77));
    }
    let usual = Limits::default();
    assert_eq!(store.set_limits(id(1), usual.clone()).await, Ok(true));
    assert_eq!(store.load(0).await.unwrap().keys[0].limits, usual);
}

async fn absent_keys_are_told_and_get_nothing(place: &dyn Place) {
    let store = place.open().await.unwrap();

    assert_eq!(store.set_state(id(1), disabled(), 1).await, Ok(false));
    assert_eq!(store.set_limits(id(1), Limits::default()).await, Ok(false));
    assert_eq!(store.withdraw(id(1), Tombstone { id: stone(1), at: 1 }).await, Ok(false));
    assert_eq!(store.lift(stone(1)).await, Ok(false));
    assert_eq!(store.set_cooldowns(id(1), vec![rest(1, "all", 900)]).await, Ok(()));
    assert_eq!(store.add_usage(vec![used(1, 20_000, "", 1)]).await, Ok(()));
    assert_eq!(store.set_learned(vec![known(1, 20_000, "some")]).await, Ok(()));
    assert_eq!(store.set_learned(vec![]).await, Ok(()));
    assert_eq!(store.set_quotas(vec![]).await, Ok(()));

    assert_eq!(store.load(0).await, Ok(Snapshot::default()));
}

async fn a_keys_rests_replace_the_former_ones(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.insert(row(1), stone(1)).await.unwrap();
    store.insert(row(2), stone(2)).await.unwrap();
    store.set_cooldowns(id(1), vec![rest(1, "flash", 500), rest(1, "pro", 300)]).await.unwrap();
    store.set_cooldowns(id(2), vec![rest(2, "pro", 300)]).await.unwrap();

    store.set_cooldowns(id(1), vec![rest(1, "flash", 800)]).await.unwrap();
    let kept = [rest(1, "flash", 800), rest(2, "pro", 300)];
    assert_eq!(store.load(0).await.unwrap().cooldowns, kept);

    store.set_cooldowns(id(1), vec![]).await.unwrap();
    assert_eq!(store.load(0).await.unwrap().cooldowns, kept[1..]);
}

async fn what_was_learned_replaces_the_former(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.insert(row(1), stone(1)).await.unwrap();
    store.insert(row(2), stone(2)).await.unwrap();
    let odd = "two\nlines of \"words\", é\u{1f372} and \\";
    store.set_learned(vec![known(1, 5, "first"), known(2, 5, odd)]).await.unwrap();
    store.set_quotas(vec![quota(0, "flash", 5), quota(1, "flash", 5)]).await.unwrap();

    store.set_learned(vec![known(1, 6, "second")]).await.unwrap();
    store.set_quotas(vec![quota(1, "flash", 7)]).await.unwrap();

    let snapshot = store.load(0).await.unwrap();
    assert_eq!(snapshot.learned, [known(1, 6, "second"), known(2, 5, odd)]);
    assert_eq!(snapshot.quotas, [quota(0, "flash", 5), quota(1, "flash", 7)]);
}

async fn what_was_learned_and_not_used_is_forgotten(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.insert(row(1), stone(1)).await.unwrap();
    store.insert(row(2), stone(2)).await.unwrap();
    store.set_learned(vec![known(1, 100, "old"), known(2, 101, "new")]).await.unwrap();
    store.set_quotas(vec![quota(0, "flash", 100), quota(0, "pro", 101)]).await.unwrap();

    store.sweep(Sweep { disabled_before: 0, days_before: 101 }).await.unwrap();

    let snapshot = store.load(0).await.unwrap();
    assert_eq!(snapshot.learned, [known(2, 101, "new")]);
    assert_eq!(snapshot.quotas, [quota(0, "pro", 101)]);
    assert_eq!(snapshot.keys.len(), 2);
}

async fn an_erased_key_may_join_again(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.insert(row(1), stone(1)).await.unwrap();
    store.set_cooldowns(id(1), vec![rest(1, "flash", 500)]).await.unwrap();
    store.set_learned(vec![known(1, 5, "some")]).await.unwrap();

    assert_eq!(store.erase(id(1)).await, Ok(true));
    assert_eq!(store.erase(id(1)).await, Ok(false));

    assert_eq!(store.load(0).await, Ok(Snapshot::default()));
    assert_eq!(store.insert(row(1), stone(1)).await, Ok(Inserted::Stored));
}

async fn usage_adds_up_and_stops_at_the_largest_number(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.insert(row(1), stone(1)).await.unwrap();

    store.add_usage(vec![used(1, 9, "flash", 3), used(1, 9, "flash", 4)]).await.unwrap();
    store.add_usage(vec![used(1, 9, "flash", 5)]).await.unwrap();
    assert_eq!(store.load(9).await.unwrap().usage, [used(1, 9, "flash", 12)]);

    store.add_usage(vec![used(1, 9, "flash", u64::MAX); 3]).await.unwrap();
    let snapshot = store.load(9).await.unwrap();
    assert_eq!(snapshot.usage, [used(1, 9, "flash", sql::LARGEST)]);
    assert_eq!(snapshot.totals, [(id(1), amount(sql::LARGEST))]);
}

async fn use_is_told_of_one_key_of_each_and_of_all_together(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.insert(row(1), stone(1)).await.unwrap();
    store.insert(row(2), stone(2)).await.unwrap();
    let all = vec![used(1, 8, "flash", 1), used(1, 9, "flash", 3), used(2, 9, "flash", 4)];
    store.add_usage(all.clone()).await.unwrap();

    assert_eq!(store.usage(0, UseOf::Each { most: 100 }).await.unwrap(), all);
    assert_eq!(store.usage(9, UseOf::Key(id(1))).await.unwrap(), [used(1, 9, "flash", 3)]);
    let together = store.usage(9, UseOf::All).await.unwrap();
    let of_all = Usage { key: [0; 16], ..used(1, 9, "flash", 7) };
    assert_eq!(together, [of_all]);
}

async fn old_days_are_summed_up(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.insert(row(1), stone(1)).await.unwrap();
    let days = [(100, 1), (101, 2), (102, 4), (103, 8)];
    let usage = days.map(|(day, calls)| used(1, day, "flash", calls));
    store.add_usage(usage.to_vec()).await.unwrap();

    for days_before in [102, 103, 103] {
        store.sweep(Sweep { disabled_before: 0, days_before }).await.unwrap();
    }

    let snapshot = store.load(0).await.unwrap();
    assert_eq!(snapshot.usage, [used(1, 103, "flash", 8)]);
    assert_eq!(snapshot.totals, [(id(1), amount(15))]);
}

async fn keys_disabled_too_long_are_erased(place: &dyn Place) {
    let store = place.open().await.unwrap();
    for n in 1..=3 {
        store.insert(row(n), stone(n)).await.unwrap();
    }
    store.add_usage(vec![used(1, 9, "flash", 3)]).await.unwrap();
    store.set_state(id(1), disabled(), 100).await.unwrap();
    store.set_state(id(2), disabled(), 200).await.unwrap();

    let swept = store.sweep(Sweep { disabled_before: 200, days_before: 0 }).await.unwrap();

    assert_eq!((swept.erased, swept.more), (vec![id(1)], false));
    let snapshot = store.load(0).await.unwrap();
    let left: Vec<_> = snapshot.keys.iter().map(|key| key.id).collect();
    assert_eq!(left, [id(2), id(3)]);
    assert_eq!(snapshot.totals, []);
    // An erased key may come back as any other.
    assert_eq!(store.insert(row(1), stone(1)).await, Ok(Inserted::Stored));
}

async fn a_sweep_takes_some_at_a_time(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let many = sql::SWEEP_KEYS_AT_MOST as u16 + 1;
    for n in 1..=many {
        let row = KeyRow { state: disabled(), ..row(n) };
        store.insert(row, stone(n)).await.unwrap();
    }
    let sweep = Sweep { disabled_before: i64::MAX >> 11, days_before: 0 };

    let first = store.sweep(sweep).await.unwrap();
    let second = store.sweep(sweep).await.unwrap();

    assert_eq!((first.erased.len(), first.more), (usize::from(many) - 1, true));
    assert_eq!((second.erased.len(), second.more), (1, false));
}

async fn a_malformed_row_is_refused_whole(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let good = store.insert(row(1), stone(1));
    let bad = store.insert(KeyRow { sealed: Sealed::from_bytes(vec![]), ..row(2) }, stone(2));
    let half = store.add_usage(vec![used(1, 9, "flash", 1), used(1, 9, &"x".repeat(300), 1)]);
    let long = store.set_learned(vec![known(1, 9, "x"), known(1, 9, &"x".repeat(9000))]);
    let names = Some(vec!["two\nnames".to_owned()]);
    let broken = store.set_limits(id(1), Limits { lend_models: names, ..Limits::default() });
    let also_good = store.insert(row(3), stone(3));

    assert_eq!(good.await, Ok(Inserted::Stored));
    assert_eq!(bad.await, Err(StoreError::Rejected));
    assert_eq!(half.await, Err(StoreError::Rejected));
    assert_eq!(long.await, Err(StoreError::Rejected));
    assert_eq!(broken.await, Err(StoreError::Rejected));
    assert_eq!(also_good.await, Ok(Inserted::Stored));
    let snapshot = store.load(0).await.unwrap();
    assert_eq!(snapshot.keys, [row(1), row(3)]);
    assert_eq!((snapshot.usage, snapshot.learned), (vec![], vec![]));
    assert!(store.healthy());
}

async fn many_at_once_are_all_answered(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let asked: Vec<_> = (0..1000).map(|n| store.insert(row(n % 700), stone(n % 700))).collect();

    let mut stored = 0;
    for answer in asked {
        stored += usize::from(answer.await == Ok(Inserted::Stored));
    }

    assert_eq!(stored, 700);
    assert_eq!(store.load(0).await.unwrap().keys.len(), 700);
}

async fn a_closed_store_says_so(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let queued = store.insert(row(1), stone(1));
    let closing = store.close();

    assert_eq!(queued.await, Ok(Inserted::Stored));
    assert_eq!(closing.await, Ok(()));
    assert_eq!(store.insert(row(2), stone(2)).await, Err(StoreError::Closed));
    assert_eq!(store.close().await, Err(StoreError::Closed));
}

/// The id of the n-th key of a test; ids sort as their numbers do.
pub fn id(n: u16) -> RowId {
    hash(1, n)
}

/// The tombstone of the n-th key of a test.
pub fn stone(n: u16) -> RowId {
    hash(2, n)
}

/// The n-th key of a test.
pub fn row(n: u16) -> KeyRow {
    let mut sealed = vec![1; 60];
    sealed[1..3].copy_from_slice(&n.to_be_bytes());
    KeyRow {
        id: id(n),
        sealed: Sealed::from_bytes(sealed),
        joined_at: 1_790_000_000_000 + i64::from(n),
        state: KeyState::Active,
        changed_at: 1_790_000_000_000 + i64::from(n),
        limits: Limits::default(),
    }
}

fn hash(kind: u8, n: u16) -> RowId {
    let mut hash = [kind; 16];
    hash[1..3].copy_from_slice(&n.to_be_bytes());
    hash
}

fn disabled() -> KeyState {
    KeyState::Disabled { reason: "API_KEY_INVALID".to_owned() }
}

fn rest(n: u16, scope: &str, until: i64) -> Cooldown {
    Cooldown { key: id(n), scope: scope.to_owned(), until, why: "day".to_owned() }
}

fn known(n: u16, day: u32, facts: &str) -> Learned {
    Learned { key: id(n), day, facts: facts.to_owned() }
}

fn quota(part: u8, scope: &str, day: u32) -> Quota {
    Quota { part, scope: scope.to_owned(), day, facts: format!("of {scope}") }
}

fn used(n: u16, day: u32, model: &str, calls: u64) -> Usage {
    Usage { key: id(n), day, model: model.to_owned(), amount: amount(calls) }
}

fn amount(calls: u64) -> UsageTotal {
    UsageTotal {
        lent_calls: calls,
        lent_tokens: calls,
        borrowed_calls: calls,
        borrowed_tokens: calls,
        own_calls: calls,
        own_tokens: calls,
        failed_calls: calls,
    }
}
