//! What an operator decides of a key holds against everything else.
#![allow(clippy::unwrap_used, missing_docs)]

mod table;

use potluck_core::{Alarm, Call, Changed, Event, KeyId, LimitsPatch, Sought, State};
use table::*;

#[test]
fn a_key_that_was_put_out_serves_nobody_but_its_bearer() {
    let mut table = Table::of(3);
    assert!(table.pool.put_out(id(1), table.now));

    for _ in 0..6 {
        assert_ne!(table.serve(0), 1);
    }
    assert_eq!(table.call(1, |_| None).tried, [BEARER]);
    assert_eq!(table.state(1), "disabled", "its bearer's call is no proof against the operator");
}

#[test]
fn no_verdict_probe_or_passing_of_time_says_otherwise_than_the_operator() {
    let mut table = Table::of(3);
    let mut x = table.pool.begin(potluck_core::Call::plain(id(1), MODEL), table.now);
    let _ = table.pool.next(&mut x, table.now);
    table.pool.put_out(id(1), table.now);
    table.end(x, 0);
    assert!(table.probes().is_empty());

    table.run_until(table.now.mono + seconds(100 * 24 * 3600));

    assert_eq!(table.state(1), "disabled");
    let kept = table.events();
    assert!(!kept.iter().any(|event| matches!(event, Event::Erase(_))), "{kept:?}");
}

#[test]
fn a_dead_key_that_is_put_out_is_not_revived_by_its_probe() {
    let mut table = Table::of(3);
    table.call(0, |key| (key == 1).then(dead));
    table.call(0, |key| (key == 1).then(dead));
    assert_eq!(table.state(1), "disabled");
    table.run_until(table.now.mono + seconds(3 * 3600));
    let probes = table.probes();
    table.pool.put_out(id(1), table.now);
    for (slot, _) in probes {
        table.pool.probed(slot, potluck_core::Outcome::Served, table.now);
    }
    assert_eq!(table.state(1), "disabled");

    assert!(table.pool.put_back(id(1), table.now));
    assert_eq!(table.state(1), "active");
}

#[test]
fn what_was_decided_is_told_to_the_store() {
    let mut table = Table::of(1);
    table.pool.put_out(id(0), table.now);
    let told = |events: Vec<Event<u32>>| {
        let state = |event| match event {
            Event::State { state: State::Active, .. } => Some("active"),
            Event::State { state: State::Disabled { reason, .. }, .. } => Some(reason.name()),
            _ => None,
        };
        events.into_iter().find_map(state)
    };
    assert_eq!(told(table.events()), Some("operator"));
    table.pool.put_back(id(0), table.now);
    assert_eq!(told(table.events()), Some("active"));
}

#[test]
fn an_erased_key_is_gone_and_may_come_back() {
    let mut table = Table::of(2);
    assert!(table.pool.erase(id(1)).is_some());
    assert!(table.pool.erase(id(1)).is_none());
    assert!(
        !table.events().iter().any(|event| matches!(event, Event::Erase(_))),
        "whoever drives it erases it, and no event comes behind a key that is added again"
    );
    assert_eq!(table.call(1, |_| None).tried, [BEARER]);
    assert!(table.pool.knows(id(1)));
}

#[test]
fn a_listing_goes_through_all_keys_once_and_by_state() {
    let mut table = Table::of(10_000);
    assert!((0..10_000).step_by(10).all(|n| table.pool.put_out(id(n), table.now)));
    let all = |state: Option<&str>| {
        let (mut from, mut seen) = (Some(0), Vec::<KeyId>::new());
        while let Some(at) = from {
            let listing = table.pool.list(at, 300, Sought { state, text: None }, table.now);
            assert!(listing.keys.len() <= 300);
            seen.extend(listing.keys.iter().map(|key| key.id));
            from = listing.next;
        }
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "one was listed twice");
        count
    };
    assert_eq!((all(None), all(Some("disabled")), all(Some("paused"))), (10_000, 1_000, 0));
}

#[test]
fn an_id_reads_as_it_is_shown() {
    let id = id(77);
    assert_eq!(KeyId::parse(&id.to_string()), Some(id));
    let shown = id.to_string();
    for wrong in ["", "k_", &shown[1..], &shown.to_uppercase(), &format!("{shown}0"), "k_+1"] {
        assert_eq!(KeyId::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn what_google_says_when_an_operator_asks_counts_and_trouble_does_not() {
    use potluck_core::{Outcome, Verdict};
    let mut table = Table::of(3);
    let (slot, secret) = table.pool.secret(id(1)).unwrap();
    assert_eq!(secret, 1);

    assert_eq!(table.pool.checked(slot, Outcome::NoAnswer, table.now), Verdict::Trouble);
    assert_eq!(table.state(1), "active");
    assert!(table.probes().is_empty(), "trouble raises no doubt");
    table.pool.checked(slot, Outcome::Failed(&dead()), table.now);
    assert_eq!(table.state(1), "disabled");
    table.pool.checked(slot, Outcome::Failed(&day()), table.now);
    assert_eq!(table.state(1), "active", "a spent quota is a living key's");

    table.pool.put_out(id(1), table.now);
    for outcome in [Outcome::Served, Outcome::Failed(&dead())] {
        table.pool.checked(slot, outcome, table.now);
    }
    table.pool.put_back(id(1), table.now);
    assert_eq!(table.state(1), "active", "out by the operator's word alone, and so put back");
    assert!(table.pool.secret(id(9)).is_none());
}

#[test]
fn many_keys_refused_at_once_bring_none_back_that_was_put_out() {
    let mut table = Table::of(12);
    let good = table.serve(0);
    table.call(good, |_| Some(dead()));
    let dying: Vec<u32> = (0..12).filter(|key| table.state(*key) == "disabled").collect();
    assert!(dying.len() >= 3, "{dying:?}");
    table.pool.put_out(id(dying[0]), table.now);
    table.pool.put_out(id(good), table.now);

    let mut alarmed = false;
    for bearer in (0..12).filter(|key| *key != good && !dying.contains(key)) {
        table.call(bearer, |_| Some(dead()));
        alarmed |= table.events().contains(&Event::Alarm(Alarm::Everyone));
    }

    assert!(alarmed);
    table.run_until(table.now.mono + seconds(120));
    assert_eq!((table.state(dying[0]), table.state(good)), ("disabled", "disabled"));
    assert_eq!(table.state(dying[1]), "active", "what was held fell undecided");
}

#[test]
fn a_probe_that_waits_is_not_made_of_a_key_that_was_taken_away() {
    let mut table = Table::of(4);
    let suspected = || Some(reason(403, "SERVICE_DISABLED", None));
    (0..6).for_each(|_| drop(table.call(0, |key| (key > 0).then(suspected).flatten())));
    let asked = table.probes();
    assert!(asked.len() >= 2, "{asked:?}");
    let of = |at: usize| (asked[at].0, asked[at].1);
    let ((first, one), (second, two)) = (of(0), of(1));
    assert!(table.pool.still_asked(first).is_some());

    table.pool.put_out(id(one), table.now);
    table.pool.withdraw(id(two), grave(two), table.now);

    assert_eq!((table.pool.still_asked(first), table.pool.still_asked(second)), (None, None));
}

#[test]
fn a_key_that_was_put_out_does_not_come_back_by_leaving_first() {
    let mut table = Table::of(2);
    table.pool.put_out(id(1), table.now);
    table.pool.withdraw(id(1), grave(1), table.now);
    let back = LimitsPatch { paused: Some(false), ..LimitsPatch::default() };
    let changed = table.pool.change(id(1), Some(grave(1)), &back, table.now);
    assert_eq!(changed, Changed::StaysWithdrawn);

    table.pool.withdraw(id(0), grave(0), table.now);
    assert_eq!(table.pool.change(id(0), Some(grave(0)), &back, table.now), Changed::MayRejoin);
}

#[test]
fn a_sentence_is_found_however_it_is_written() {
    let mut table = Table::of(3);
    table.call(0, |key| (key == 1).then(dead));
    table.call(0, |key| (key == 1).then(dead));
    let why = table.pool.me(id(1), table.now).unwrap().why;
    assert!(why.starts_with("Google"), "{why}");
    let found = |text: &str| {
        let sought = Sought { text: Some(text), ..Sought::default() };
        table.pool.list(0, 9, sought, table.now).keys.len()
    };

    assert_eq!(found("google says"), 1);
    assert_eq!(found(&id(2).to_string()[..9]), 1);
    assert_eq!((found("googly"), found("")), (0, 3));
}

#[test]
fn what_could_not_be_stored_is_told_again_and_adds_up() {
    let mut table = Table::of(2);
    for _ in 0..3 {
        table.serve(0);
    }
    table.pool.put_out(id(1), table.now);
    table.pool.flush();
    let told = table.events();
    assert!(told.iter().any(|event| matches!(event, Event::Usage(_))), "{told:?}");

    told.iter().for_each(|event| table.pool.untold(event, table.now));
    for _ in 0..2 {
        table.serve(0);
    }
    table.pool.flush();

    let again = table.events();
    let served = |events: &[Event<u32>]| -> u64 {
        let amounts = events.iter().filter_map(|event| match event {
            Event::Usage(used) => Some(used.amount.own_calls + used.amount.lent_calls),
            _ => None,
        });
        amounts.sum()
    };
    assert_eq!((served(&told), served(&again)), (3, 5));
    let state = |event: &Event<u32>| matches!(event, Event::State { id: of, .. } if *of == id(1));
    assert!(again.iter().any(state), "{again:?}");
}

#[test]
fn a_model_that_never_served_is_counted_without_a_name() {
    let mut table = Table::of(1);
    let call = Call { model: Some("no-model"), ..Call::plain(id(0), MODEL) };
    table.ask(call, |_| Some(error(503, "The service is currently unavailable.")));
    table.pool.flush();

    let used = table.events().into_iter().find_map(|event| match event {
        Event::Usage(used) => Some(used),
        _ => None,
    });

    let used = used.unwrap();
    assert_eq!((&*used.model, used.amount.failed_calls), ("", 1));
}

#[test]
fn what_all_keys_lent_is_the_sum_of_what_each_did() {
    let mut table = Table::of(3);
    for bearer in [0, 1, 2, 0, 1, 2, 0, 0] {
        table.serve(bearer);
    }
    let each = |table: &Table, n: u32| table.pool.me(id(n), table.now).unwrap().usage.lent_calls;
    let all: u64 = (0..3).map(|n| each(&table, n)).sum();
    assert!(all > 0 && table.pool.lent_calls() == all);

    let gone = each(&table, 1);
    table.pool.erase(id(1));

    assert_eq!(table.pool.lent_calls(), all - gone);
}
