//! How keys join, leave, die and come back.
#![allow(clippy::unwrap_used, missing_docs)]

mod table;

use potluck_core::{
    After, Alarm, Call, Changed, Event, Exchange, LimitsPatch, Outcome, Reason, Refusal, State,
    Step, Talk, Way, Why,
};
use table::*;

#[test]
fn an_unknown_keys_own_request_is_its_proof() {
    let mut table = Table::of(3);
    let first = table.call(9, |_| None);
    assert_eq!((first.tried, first.result), (vec![BEARER], Result::Answer));
    assert_eq!(table.state(9), "active");
    assert_eq!(table.pool.me(id(9), table.now).unwrap().usage.own_calls, 1);
    let mut served: Vec<_> = (0..4).map(|_| table.serve(9)).collect();
    served.sort_unstable();
    assert_eq!(served, [0, 1, 2, 9]);
}

#[test]
fn a_2xx_that_proves_nothing_admits_nobody() {
    let mut table = Table::of(1);
    let call = Call { proof: false, way: Way::OwnOnly, ..Call::plain(id(9), MODEL) };
    assert_eq!(table.ask(call, |_| None).result, Result::Answer);
    assert!(!table.pool.knows(id(9)));
}

#[test]
fn a_spent_quota_proves_a_key_and_the_pool_serves_the_call() {
    let mut table = Table::of(2);
    let served = table.call(9, |key| (key == BEARER).then(day));
    assert_eq!((served.tried.len(), served.result), (2, Result::Answer));
    assert_eq!(served.tried[0], BEARER);
    assert_eq!(table.pool.me(id(9), table.now).unwrap().cooldowns.len(), 1);
    (0..6).for_each(|_| assert_ne!(table.serve(9), 9));
}

#[test]
fn words_about_a_quota_prove_nothing() {
    let mut table = Table::of(2);
    let plain = "Resource has been exhausted (e.g. check quota).";
    let served = table.call(9, |_| Some(error(429, plain)));
    assert_eq!((served.tried, served.result), (vec![BEARER], Result::Passed));
    assert!(!table.pool.knows(id(9)));
}

#[test]
fn a_refused_key_is_not_asked_again_for_a_while() {
    let mut table = Table::of(2);
    assert_eq!(table.call(9, |_| Some(dead())).tried, [BEARER]);
    let refused = Refusal::KeyRefused { wait: seconds(60) };
    assert_eq!(table.call(9, |_| None).result, Result::Refused(refused));
    table.pass_time(seconds(60));
    assert_eq!(table.call(9, |_| None).result, Result::Answer);
    (20..30).for_each(|n| assert_eq!(table.call(n, |_| Some(dead())).tried, [BEARER]));
    let many = Refusal::TooManyRefused { wait: seconds(60) };
    assert_eq!(table.call(40, |_| None).result, Result::Refused(many));
    assert_eq!(table.call(0, |_| None).result, Result::Answer, "known keys are served");
}

#[test]
fn without_a_key_nothing_is_asked() {
    let mut table = Table::of(2);
    let call = Call { bearer: None, ..Call::plain(id(0), MODEL) };
    assert_eq!(table.ask(call, |_| None).result, Result::Refused(Refusal::NoKey));
}

#[test]
fn a_dead_key_is_out_until_its_bearer_proves_it() {
    let mut table = Table::of(3);
    (0..3).for_each(|_| drop(table.call(1, |key| (key == 0).then(dead))));
    assert_eq!(table.state(0), "disabled");
    let State::Disabled { reason, since } = state_event(&mut table) else { panic!("not told") };
    assert_eq!((reason, since), (Reason::Invalid, table.now.wall));
    (0..6).for_each(|_| assert_ne!(table.serve(1), 0));

    let again = table.call(0, |_| Some(dead()));
    assert_eq!((again.tried, again.result), (vec![BEARER], Result::Passed), "no entry");
    table.pass_time(seconds(60));
    assert_eq!(table.call(0, |_| None).tried, [BEARER]);
    assert_eq!(table.state(0), "active");
    assert_eq!(state_event(&mut table), State::Active);
}

#[test]
fn a_dead_key_is_probed_hours_apart_and_erased_after_thirty_days() {
    let mut table = Table::of(1);
    table.call(0, |_| Some(dead()));
    let died = table.now.mono;
    let mut probes = 0;
    let mut erased = false;
    while !erased && table.now.mono.since(died) < seconds(31 * 24 * 3600) {
        let next = table.pool.poll_timeout().unwrap().0;
        table.run_until(next);
        for event in table.events() {
            match event {
                Event::Probe { slot, .. } => {
                    probes += 1;
                    table.pool.probed(slot, Outcome::Failed(&dead()), table.now);
                }
                Event::Erase(erased_id) => erased = erased_id == id(0),
                _ => {}
            }
        }
    }
    assert!(erased && !table.pool.knows(id(0)));
    assert_eq!(table.now.mono.since(died).as_secs() / 86_400, 30);
    assert!((25..40).contains(&probes), "{probes} probes");
}

#[test]
fn whoever_sleeps_between_probes_finds_them_due() {
    let since = Table::of(0).now.wall;
    let record = potluck_core::KeyRecord {
        id: id(0),
        added: since,
        limits: potluck_core::Limits::default(),
        state: State::Disabled { reason: Reason::Invalid, since },
        cooldowns: Vec::new(),
        usage: potluck_core::Usage::default(),
        learned: "".into(),
    };
    let mut table = Table::of(0);
    let mut probes = 0;
    while table.now.wall < since + seconds(10 * 24 * 3600) {
        // Woken for what was planned before, with nothing but the store to remember it by.
        let mut woken = Table::of(0);
        woken.now = table.now;
        assert!(woken.pool.restore(record.clone(), 0, woken.now));
        woken.pool.handle_timeout(woken.now);
        if let [(slot, 0)] = woken.probes()[..] {
            probes += 1;
            woken.pool.probed(slot, Outcome::Failed(&dead()), woken.now);
        }
        let wait = woken.pool.poll_timeout().unwrap().0.since(woken.now.mono);
        table.pass_time(wait);
    }
    assert!((8..20).contains(&probes), "{probes} probes");
}

#[test]
fn a_probe_that_finds_a_dead_key_alive_brings_it_back() {
    let mut table = Table::of(2);
    (0..2).for_each(|_| drop(table.call(1, |key| (key == 0).then(dead))));
    while table.pool.poll_timeout().unwrap().1 != Why::Probe {
        table.run_until(table.pool.poll_timeout().unwrap().0);
    }
    let due = table.pool.poll_timeout().unwrap().0;
    assert!((3500..5000).contains(&due.since(table.now.mono).as_secs()));
    table.run_until(due);
    let [(slot, 0)] = table.probes()[..] else { panic!("no probe") };
    table.pool.probed(slot, Outcome::Served, table.now);
    assert_eq!(table.state(0), "active");
}

#[test]
fn leaked_and_suspended_keys_are_never_probed() {
    let mut table = Table::of(2);
    let suspended = || reason(403, "CONSUMER_SUSPENDED", Some(1));
    (0..2).for_each(|_| drop(table.call(1, |key| (key == 0).then(suspended))));
    assert_eq!(table.state(0), "disabled");
    table.run_until(table.now.mono + seconds(29 * 24 * 3600));
    assert_eq!(table.probes(), []);
}

#[test]
fn a_doubtful_key_dies_only_if_its_probe_fails_too() {
    let leaked = "Your API key was reported as leaked. Please use another API key.";
    for (outcome, state) in [(None, "active"), (Some(error(403, leaked)), "disabled")] {
        let mut table = Table::of(2);
        let doubtful = |key| (key == 0).then(|| error(403, leaked));
        (0..2).for_each(|_| assert_eq!(table.call(0, doubtful).result, Result::Answer));
        (0..4).for_each(|_| assert_eq!(table.serve(1), 1));
        assert_eq!(table.state(0), "active", "in doubt, not out");
        let [(slot, 0)] = table.probes()[..] else { panic!("no probe") };
        let outcome = outcome.as_ref().map_or(Outcome::Served, Outcome::Failed);
        table.pool.probed(slot, outcome, table.now);
        assert_eq!(table.state(0), state);
        assert!((0..4).all(|_| table.serve(1) == 1), "rests for a minute at least");
        table.run_until(table.now.mono + seconds(60));
        let serves = (0..4).any(|_| table.serve(1) == 0);
        assert_eq!(serves, state == "active");
    }
}

#[test]
fn a_restricted_key_rests_for_the_method_though_its_probe_succeeds() {
    let mut table = Table::of(2);
    let blocked = || reason(403, "API_KEY_SERVICE_BLOCKED", None);
    (0..2).for_each(|_| drop(table.call(1, |key| (key == 0).then(blocked))));
    let [(slot, 0)] = table.probes()[..] else { panic!("no probe") };
    table.pool.probed(slot, Outcome::Served, table.now);
    (0..4).for_each(|_| assert_eq!(table.serve(1), 1));
    let embed = Call { family: potluck_gemini::Family::Embed, ..Call::plain(id(1), MODEL) };
    let mut served: Vec<_> = (0..2).map(|_| table.ask(embed, |_| None).tried[0]).collect();
    served.sort_unstable();
    assert_eq!(served, [0, 1]);
}

#[test]
fn a_withdrawn_key_is_used_no_more_and_joins_only_when_asked_back() {
    let mut table = Table::of(2);
    let mut x = table.pool.begin(Call::plain(id(1), MODEL), table.now);
    let Step::Try(attempt) = table.pool.next(&mut x, table.now) else { panic!("no key") };
    let leaving = number(&attempt);
    let withdrawal = table.pool.withdraw(id(leaving), grave(leaving), table.now).unwrap();
    assert_eq!(withdrawal.leases, 1);
    let other = 1 - leaving;
    let withdrawn = Event::Withdrawn { id: id(leaving), tombstone: grave(leaving) };
    assert!(table.events().contains(&withdrawn));

    let failure = error(503, "no");
    assert_eq!(table.pool.report(&mut x, Outcome::Failed(&failure), table.now), After::Again);
    assert_eq!(table.pool.leases(withdrawal.slot), 0);
    let Step::Try(attempt) = table.pool.next(&mut x, table.now) else { panic!("no key") };
    assert_eq!(number(&attempt), other);
    table.end(x, 0);

    let call = Call { tombstone: Some(grave(leaving)), ..Call::plain(id(leaving), MODEL) };
    assert_eq!(table.ask(call, |_| None).tried, [BEARER], "own key only");
    assert!(!table.pool.knows(id(leaving)));
    let patch = LimitsPatch { paused: Some(false), ..LimitsPatch::default() };
    let nothing = LimitsPatch::default();
    let change = |table: &mut Table, patch: &LimitsPatch| {
        table.pool.change(id(leaving), Some(grave(leaving)), patch, table.now)
    };
    assert_eq!(change(&mut table, &nothing), Changed::StaysWithdrawn);
    assert_eq!(change(&mut table, &patch), Changed::MayRejoin);
    assert_eq!(table.ask(call, |_| None).result, Result::Answer);
    assert!(table.pool.knows(id(leaving)));
}

#[test]
fn counts_are_told_to_both_sides_and_stored_in_time() {
    let mut table = Table::of(2);
    let mut borrowed = 0;
    for _ in 0..10 {
        let mut x = table.pool.begin(Call::plain(id(0), MODEL), table.now);
        let Step::Try(attempt) = table.pool.next(&mut x, table.now) else { panic!("no key") };
        table.pool.report(&mut x, Outcome::Served, table.now);
        borrowed += u64::from(number(&attempt) == 1);
        table.end(x, 100);
    }
    let of = |number| table.pool.me(id(number), table.now).unwrap().usage;
    assert_eq!(borrowed, 5);
    assert_eq!((of(0).own_calls, of(0).borrowed_calls, of(0).borrowed_tokens), (5, 5, 500));
    assert_eq!((of(1).lent_calls, of(1).lent_tokens, of(1).lent_today), (5, 500, 5));
    assert_eq!(table.events(), []);
    table.run_until(table.now.mono + seconds(30));
    let stored = table.events();
    let times = |what: fn(&Event<u32>) -> bool| stored.iter().filter(|one| what(one)).count();
    assert_eq!(times(|event| matches!(event, Event::Usage { .. })), 2);
    assert_eq!(times(|event| matches!(event, Event::Learned { .. })), 2);
    assert_eq!(times(|event| matches!(event, Event::Quota { .. })), 1);
    assert_eq!(stored.len(), 5);
}

#[test]
fn what_was_stored_holds_after_a_restart() {
    let mut table = Table::of(2);
    while table.pool.me(id(0), table.now).unwrap().cooldowns.is_empty() {
        table.call(0, |key| (key == 0).then(day));
    }
    let cooldowns = table.events().into_iter().find_map(|event| match event {
        Event::Cooldowns { cooldowns, .. } => Some(cooldowns),
        _ => None,
    });
    let me = table.pool.me(id(0), table.now).unwrap();
    let record = potluck_core::KeyRecord {
        id: me.id,
        added: me.added,
        limits: me.limits,
        state: State::Active,
        cooldowns: cooldowns.unwrap(),
        usage: me.usage,
        learned: "".into(),
    };

    let mut again = Table::of(0);
    again.now = table.now + seconds(3600);
    again.pool.restore_tombstone(grave(5));
    assert!(again.pool.restore(record.clone(), 0, again.now));
    assert!(!again.pool.restore(record, 0, again.now));

    assert_eq!(again.pool.me(id(0), again.now).unwrap().cooldowns.len(), 1);
    let rests = Refusal::Resting { wait: seconds(11 * 3600), per_day: true };
    assert_eq!(again.call(0, |_| None).result, Result::Refused(rests));
    assert!(again.pool.is_withdrawn(grave(5)));
    assert_eq!(again.events(), []);
}

#[test]
fn everyone_refused_at_once_loses_no_key() {
    let mut table = Table::of(12);
    // A key is good, then Google refuses them all.
    let good = table.serve(0);
    (0..2).for_each(|_| drop(table.call(good, |_| Some(dead()))));
    let events = table.events();
    assert!(events.contains(&Event::Alarm(Alarm::Everyone)));
    let witness = events.iter().find_map(|event| match event {
        Event::Probe { slot, secret, .. } => Some((*slot, *secret)),
        _ => None,
    });
    let (slot, number) = witness.expect("a good key is asked");
    assert_eq!(number, good);
    assert_eq!(table.pool.key_count(), 12);

    table.pool.probed(slot, Outcome::Failed(&dead()), table.now);
    assert!(table.events().contains(&Event::Alarm(Alarm::EveryoneConfirmed)));
    table.pass_time(seconds(20));
    assert!((0..12).contains(&table.serve(0)));
    assert_eq!(table.pool.key_count(), 12);
    assert!((0..12).all(|key| table.state(key) == "active"));
}

#[test]
fn keys_that_die_together_while_another_lives_are_out_within_a_minute() {
    let mut table = Table::of(3);
    (100..150).for_each(|key| table.join(key));
    let attack = |key| (key >= 100).then(dead);
    (0..40).for_each(|_| drop(table.call(0, attack)));
    table.run_until(table.now.mono + seconds(60));
    assert!((100..150).all(|key| table.state(key) == "disabled"));
    assert_eq!(table.pool.key_count(), 3);
}

#[test]
fn keys_that_die_together_with_the_one_that_is_asked_are_told_from_those_that_live() {
    let mut table = Table::of(12);
    let witness = table.serve(0);
    let lives = |key: u32| key != witness && key.is_multiple_of(2);
    let google = |key: u32| (!lives(key)).then(dead);
    let refused: Vec<u32> =
        (0..2).flat_map(|_| table.call(witness, |_| Some(dead())).tried).collect();
    let tell = |table: &mut Table| {
        for (slot, key) in table.probes() {
            let failure = google(key);
            let outcome = failure.as_ref().map_or(Outcome::Served, Outcome::Failed);
            table.pool.probed(slot, outcome, table.now);
        }
    };
    tell(&mut table);
    table.pass_time(seconds(1));
    while table.call(0, google).result != Result::Answer {}

    for _ in 0..40 {
        table.run_until(table.now.mono + seconds(1));
        tell(&mut table);
    }

    assert!(refused.iter().any(|key| lives(*key)) && refused.iter().any(|key| !lives(*key)));
    for key in refused {
        assert_eq!(table.state(key), if lives(key) { "active" } else { "disabled" }, "{key}");
    }
}

#[test]
fn an_answer_that_was_on_its_way_when_google_began_to_refuse_costs_no_key() {
    an_early_answer(|_, _| {});
    // At the edge a call is handed out ahead, and told of later.
    an_early_answer(|table, early| table.pool.take_up(early, Talk::default(), table.now));
}

/// Of a call that was handed out before everybody was refused; `told` is told of it just before.
fn an_early_answer(told: impl Fn(&mut Table, &mut Exchange)) {
    let mut table = Table::of(12);
    let mut early = table.pool.begin(Call::plain(id(0), MODEL), table.now);
    assert!(matches!(table.pool.next(&mut early, table.now), Step::Try(_)));
    table.pass_time(seconds(1));
    drop(table.call(1, |_| Some(dead())));

    told(&mut table, &mut early);
    table.pool.report(&mut early, Outcome::Served, table.now);
    drop(table.call(2, |_| Some(dead())));

    assert!(table.events().contains(&Event::Alarm(Alarm::Everyone)));
    assert_eq!(table.pool.key_count(), 12);
    table.end(early, 0);
}

#[test]
fn keys_of_one_suspended_project_are_one_contributors() {
    let mut table = Table::of(12);
    let suspended = || Some(reason(403, "CONSUMER_SUSPENDED", Some(77)));
    (0..9).for_each(|_| drop(table.call(11, |key| (key < 10).then(suspended).flatten())));
    assert!(!table.events().contains(&Event::Alarm(Alarm::Everyone)));
    assert!((0..8).filter(|key| table.state(*key) == "disabled").count() >= 5);
}

fn state_event(table: &mut Table) -> State {
    let state = |event| match event {
        Event::State { state, .. } => Some(state),
        _ => None,
    };
    table.events().into_iter().find_map(state).expect("a state is told")
}
