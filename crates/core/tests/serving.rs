//! Which key serves, and what a failed attempt leads to.
#![allow(clippy::unwrap_used, missing_docs)]

mod table;

use potluck_core::{Call, Limits, LimitsPatch, Refusal, Way};
use potluck_gemini::{Family, body::Metered};
use table::*;

fn named(models: &[&str]) -> Limits {
    let lend_models = Some(models.iter().map(|model| (*model).into()).collect());
    Limits { lend_models, ..Limits::default() }
}

#[test]
fn ten_keys_share_a_thousand_calls_a_hundred_each() {
    let mut table = Table::of(10);
    let mut served = [0; 10];
    (0..1000).for_each(|_| served[table.serve(3) as usize] += 1);
    assert_eq!(served, [100; 10]);
}

#[test]
fn a_newcomer_and_a_waking_key_get_their_turn_and_no_burst() {
    let mut table = Table::of(5);
    table.call(0, |_| None);
    let spent = table.call(0, |_| None).tried[0];
    // The next call meets a spent minute at some key, which then rests.
    let mut first = None;
    table.call(0, |key| {
        let spent = first.is_none();
        first.get_or_insert(key);
        spent.then(|| minute(30))
    });
    let _ = spent;
    (0..100).for_each(|_| assert_ne!(Some(table.serve(0)), first));
    table.join(9);
    table.pass_time(seconds(31));
    let mut served = [0; 10];
    (0..60).for_each(|_| served[table.serve(0) as usize] += 1);
    assert_eq!(&served[..5], [10; 5]);
    assert_eq!(served[9], 10);
}

#[test]
fn a_failed_key_is_followed_by_others_never_by_itself() {
    let mut table = Table::of(10);
    let served = table.call(0, |_| Some(error(503, "The service is currently unavailable.")));
    assert_eq!(served.result, Result::Passed);
    let mut tried = served.tried.clone();
    tried.sort_unstable();
    tried.dedup();
    assert_eq!(tried.len(), 4);
}

#[test]
fn trouble_is_retried_only_within_its_budget() {
    let mut table = Table::of(10);
    let attempts = |table: &mut Table| {
        table.call(0, |_| Some(error(503, "The service is currently unavailable."))).tried.len()
    };
    let total: usize = (0..100).map(|_| attempts(&mut table)).sum();
    assert_eq!(total, 100 + 20);
}

#[test]
fn a_day_quota_rests_the_key_until_midnight_in_california_whatever_its_delay_says() {
    let mut table = Table::of(1);
    let twelve_hours = seconds(12 * 3600);
    let spent = Result::Refused(Refusal::Spent { wait: twelve_hours, per_day: true });
    assert_eq!(table.call(0, |_| Some(day())), Served { tried: vec![0], result: spent });
    let rests = Result::Refused(Refusal::Resting { wait: twelve_hours, per_day: true });
    assert_eq!(table.call(0, |_| None), Served { tried: vec![], result: rests });
    table.pass_time(twelve_hours - seconds(1));
    assert!(matches!(table.call(0, |_| None).result, Result::Waits(_)));
    table.pass_time(seconds(1));
    assert_eq!(table.serve(0), 0);
}

#[test]
fn a_spent_model_rests_neither_another_model_nor_another_method() {
    let mut table = Table::of(1);
    table.call(0, |_| Some(day()));
    let other = Call { model: Some("gemini-2.5-flash"), ..Call::plain(id(0), MODEL) };
    assert_eq!(table.ask(other, |_| None).result, Result::Answer);
    let count = Call { family: Family::CountTokens, ..Call::plain(id(0), MODEL) };
    assert_eq!(table.ask(count, |_| None).result, Result::Answer);
}

#[test]
fn a_minute_that_ends_soon_is_waited_for() {
    let mut table = Table::of(1);
    table.call(0, |_| Some(minute(1)));
    let until = table.now.mono + seconds(2);
    assert_eq!(table.call(0, |_| None).result, Result::Waits(until));
    table.pass_time(seconds(2));
    assert_eq!(table.serve(0), 0);
}

#[test]
fn four_spent_keys_are_a_429_and_other_failures_a_503() {
    let mut table = Table::of(8);
    let result = table.call(0, |_| Some(minute(20))).result;
    let spent = Refusal::Spent { wait: seconds(1), per_day: false };
    assert_eq!(result, Result::Refused(spent), "others are ready at once");
    let result = table.call(0, |_| Some(dead())).result;
    assert_eq!(result, Result::Refused(Refusal::KeysFailed { wait: seconds(21) }));
}

#[test]
fn an_unnamed_quota_grows_by_windows_not_by_answers() {
    let mut table = Table::of(1);
    let plain = || Some(error(429, "Resource has been exhausted (e.g. check quota)."));
    for window in [30, 45, 60, 60] {
        let mut first = table.pool.begin(Call::plain(id(0), MODEL), table.now);
        let mut second = table.pool.begin(Call::plain(id(0), MODEL), table.now);
        for x in [&mut first, &mut second] {
            let _ = table.pool.next(x, table.now);
        }
        for x in [&mut first, &mut second] {
            let failure = plain().unwrap();
            table.pool.report(x, potluck_core::Outcome::Failed(&failure), table.now);
        }
        table.end(first, 0);
        table.end(second, 0);
        let wait = seconds(window);
        let rests = Refusal::Resting { wait, per_day: false };
        assert_eq!(table.call(0, |_| None).result, Result::Refused(rests));
        table.pass_time(wait);
    }
    assert_eq!(table.serve(0), 0);
    table.call(0, |_| plain());
    let rests = Refusal::Resting { wait: seconds(30), per_day: false };
    assert_eq!(table.call(0, |_| None).result, Result::Refused(rests), "serving resets it");
}

#[test]
fn a_bill_rests_the_key_for_every_model() {
    let mut table = Table::of(2);
    let message = "Your prepayment credits are depleted.";
    let served = table.call(0, |key| (key == 0).then(|| error(429, message)));
    assert_eq!(served.result, Result::Answer);
    while table.state(0) != "resting" {
        table.call(0, |key| (key == 0).then(|| error(429, message)));
    }
    let other = Call { model: Some("another"), ..Call::plain(id(0), MODEL) };
    (0..6).for_each(|_| assert_eq!(table.ask(other, |_| None).tried, [1]));
    table.run_until(table.now.mono + seconds(4 * 3600));
    assert_eq!(table.state(0), "active");
}

#[test]
fn a_prompt_larger_than_a_minute_burns_one_key_and_is_remembered() {
    let mut table = Table::of(4);
    let big = Call { prompt_tokens: 300_000, ..Call::plain(id(0), MODEL) };
    let tokens = || quota("GenerateContentInputTokensPerModelPerMinute-FreeTier", "250000", None);
    for _ in 0..4 {
        let served = table.ask(big, |_| Some(tokens()));
        assert_eq!((served.tried.len(), served.result), (1, Result::Passed));
    }
    let served = table.ask(big, |_| None);
    assert_eq!((served.tried.len(), served.result), (0, Result::Refused(Refusal::TooLarge)));
    (0..8).for_each(|_| assert!(table.serve(0) < 4));
}

#[test]
fn a_model_with_limit_zero_is_lent_by_name_only_from_then_on() {
    let mut table = Table::of(3);
    table.join_with(7, named(&[MODEL]));
    let zero = || quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "0", Some(10));
    let mut told = false;
    table.call(0, |key| (key == 1 && !std::mem::replace(&mut told, true)).then(zero));
    while !told {
        table.call(0, |key| (key == 1 && !std::mem::replace(&mut told, true)).then(zero));
    }
    (0..6).for_each(|_| assert_eq!(table.serve(0), 7, "a named key lends it"));
    table.change(7, LimitsPatch { lend_models: Some(Some(vec![])), ..LimitsPatch::default() });
    (0..6).for_each(|_| assert_eq!(table.serve(2), 2, "otherwise the own key"));
    let other = Call { model: Some("another"), ..Call::plain(id(0), "another") };
    let mut others: Vec<_> = (0..3).map(|_| table.ask(other, |_| None).tried[0]).collect();
    others.sort_unstable();
    assert_eq!(others, [0, 1, 2]);
}

#[test]
fn what_costs_money_is_served_by_named_keys_or_the_own() {
    let mut table = Table::of(3);
    let search = Call { metered: Metered::SEARCH, ..Call::plain(id(1), MODEL) };
    let predict = Call { family: Family::Predict, ..Call::plain(id(1), "imagen") };
    (0..5).for_each(|_| assert_eq!(table.ask(search, |_| None).tried, [1]));
    (0..5).for_each(|_| assert_eq!(table.ask(predict, |_| None).tried, [1]));
    table.join_with(5, named(&[MODEL, "imagen"]));
    (0..5).for_each(|_| assert_eq!(table.ask(search, |_| None).tried, [5]));
    (0..5).for_each(|_| assert_eq!(table.ask(predict, |_| None).tried, [5]));
}

#[test]
fn a_conversation_goes_on_with_its_key_while_that_can_serve() {
    let mut table = Table::of(6);
    let turn = |goes_on| Call {
        conversation: Some(42),
        has_model_turn: goes_on,
        ..Call::plain(id(0), MODEL)
    };
    let first = table.ask(turn(false), |_| None).tried[0];
    (0..20).for_each(|_| assert_eq!(table.ask(turn(true), |_| None).tried, [first]));
    let moved = table.ask(turn(true), |key| (key == first).then(|| minute(30)));
    assert_eq!((moved.tried[0], moved.result), (first, Result::Answer));
    let second = moved.tried[1];
    (0..20).for_each(|_| assert_eq!(table.ask(turn(true), |_| None).tried, [second]));
}

#[test]
fn first_turns_are_spread_evenly_whatever_is_remembered() {
    let mut table = Table::of(4);
    let call = Call { conversation: Some(1), ..Call::plain(id(0), MODEL) };
    let mut served = [0; 4];
    (0..40).for_each(|_| served[table.ask(call, |_| None).tried[0] as usize] += 1);
    assert_eq!(served, [10; 4]);
}

#[test]
fn a_foreign_thought_signature_gets_one_more_try_on_the_own_key() {
    let mut table = Table::of(6);
    let corrupted = || error(400, "Corrupted thought signature.");
    let call = Call { conversation: Some(5), has_model_turn: true, ..Call::plain(id(2), MODEL) };
    for _ in 0..6 {
        let served = table.ask(call, |key| (key != 2).then(corrupted));
        assert_eq!(served.result, Result::Answer);
        assert!(served.tried == [2] || served.tried.len() == 2 && served.tried[1] == 2);
    }
    let hopeless = table.call(3, |_| Some(corrupted()));
    assert_eq!(hopeless.result, Result::Passed);
    assert!(hopeless.tried.len() <= 2);
}

#[test]
fn unclear_permission_gets_one_retry_on_the_own_key() {
    let mut table = Table::of(6);
    let denied = || error(403, "The caller does not have permission");
    for _ in 0..6 {
        let served = table.call(4, |_| Some(denied()));
        assert_eq!((served.result, *served.tried.last().unwrap()), (Result::Passed, 4));
        assert!(served.tried.len() <= 2);
    }
    assert_eq!(table.pool.key_count(), 6);
}

#[test]
fn an_own_call_takes_the_own_key_once_even_while_it_rests() {
    let mut table = Table::of(4);
    let own = Call { way: Way::OwnOnly, ..Call::plain(id(2), MODEL) };
    let served = table.ask(own, |_| Some(minute(30)));
    assert_eq!((served.tried, served.result), (vec![2], Result::Passed));
    assert_eq!(table.ask(own, |_| None).tried, [2]);
    let trouble = table.ask(own, |_| Some(error(503, "no")));
    assert_eq!((trouble.tried, trouble.result), (vec![2], Result::Passed));
}

#[test]
fn limits_hold_without_exception() {
    let mut table = Table::of(3);
    let patch = |lend_per_day| LimitsPatch { lend_per_day, ..LimitsPatch::default() };
    table.change(1, LimitsPatch { paused: Some(true), ..patch(None) });
    table.change(2, patch(Some(Some(5))));
    let mut served = [0; 3];
    (0..60).for_each(|_| served[table.serve(0) as usize] += 1);
    assert_eq!(served, [55, 0, 5]);
    (0..5).for_each(|_| assert_eq!(table.serve(1), 1, "a paused key serves its own bearer"));
    (0..5).for_each(|_| assert_eq!(table.serve(2), 2, "a lent-out one too"));
    table.change(0, LimitsPatch { borrow: Some(false), ..patch(None) });
    (0..5).for_each(|_| assert_eq!(table.serve(0), 0));
    table.run_until(table.now.mono + seconds(12 * 3600));
    table.change(0, LimitsPatch { borrow: Some(true), ..patch(None) });
    let mut served = [0; 3];
    (0..60).for_each(|_| served[table.serve(0) as usize] += 1);
    assert_eq!(served, [55, 0, 5], "a new day");
}

#[test]
fn a_thousand_caller_faults_leave_every_key_in_service() {
    let mut table = Table::of(5);
    let echo = "API key not valid. Please pass a valid API key. API_KEY_INVALID CONSUMER_SUSPENDED \
                Resource has been exhausted (e.g. check quota).";
    let mut attempts = 0;
    for number in 0..1000 {
        let status = [400, 403, 404][number % 3];
        let served = table.call(0, |_| Some(error(status, &format!("Unknown name: {echo}"))));
        assert_eq!(served.result, Result::Passed);
        attempts += served.tried.len();
    }
    assert_eq!(attempts, 1000);
    assert_eq!(table.pool.key_count(), 5);
    assert!(table.events().iter().all(|event| matches!(event, potluck_core::Event::Usage { .. })));
    (0..5).for_each(|key| assert_eq!(table.pool.me(id(key), table.now).unwrap().cooldowns, []));
}

#[test]
fn our_place_is_nobodys_fault_and_an_alarm() {
    let mut table = Table::of(3);
    let place = error(400, "User location is not supported for the API use.");
    let served = table.call(0, |_| Some(place.clone()));
    assert_eq!((served.tried.len(), served.result), (1, Result::Refused(Refusal::OurPlace)));
    assert_eq!(table.pool.key_count(), 3);
    assert!(table.events().contains(&potluck_core::Event::Alarm(potluck_core::Alarm::OurPlace)));
}
