//! Where two things meet: clocks that disagree, keys that leave while they are asked, limits that
//! change while a call is under way.
#![allow(clippy::unwrap_used, missing_docs)]

mod table;

use potluck_core::{
    After, Call, Config, Event, Limits, LimitsPatch, LimitsRefused, Outcome, Pool, Step, Wall,
};
use potluck_gemini::{Family, body::Metered};
use table::*;

fn lends_once() -> Limits {
    Limits { lend_per_day: Some(1), ..Limits::default() }
}

/// Another's calls that the key numbered 1 serves.
fn lent(table: &mut Table) -> usize {
    (0..6).filter(|_| table.serve(0) == 1).count()
}

#[test]
fn a_day_of_lending_ends_though_the_wall_clock_was_set_back_a_little() {
    let mut table = Table::of(1);
    table.join_with(1, lends_once());
    assert_eq!(lent(&mut table), 1);

    table.now.wall = Wall(table.now.wall.0 - 3_000);
    table.run_until(table.now.mono + seconds(12 * 3600));
    assert_eq!(lent(&mut table), 0, "the day is not over yet");
    table.run_until(table.now.mono + seconds(4));

    assert_eq!(lent(&mut table), 1, "a new day");
}

#[test]
fn a_wall_clock_that_was_years_ahead_costs_a_lender_one_day_at_most() {
    let mut table = Table::of(1);
    let right = table.now.wall;
    table.now.wall = Wall(right.0 + 4 * 365 * 86_400_000);
    table.join_with(1, lends_once());
    assert_eq!(lent(&mut table), 1);

    table.now.wall = right;
    table.run_until(table.now.mono + seconds(2 * 86_400));

    assert_eq!(lent(&mut table), 1);
}

#[test]
fn a_limit_set_a_million_times_queues_one_wake_up() {
    let mut table = Table::of(1);
    table.join_with(1, lends_once());
    assert_eq!(lent(&mut table), 1);
    let patch = || LimitsPatch { lend_per_day: Some(Some(1)), ..LimitsPatch::default() };
    (0..1000).for_each(|_| table.change(1, patch()));
    table.events();

    table.pass_time(seconds(12 * 3600));
    let mut rings = 0;
    while table.pool.poll_timeout().is_some_and(|(at, _)| at <= table.now.mono) {
        // A timeout does hundreds of jobs, a call a few: so their number shows.
        let nobody = Call { bearer: None, ..Call::plain(id(0), MODEL) };
        let x = table.pool.begin(nobody, table.now);
        table.end(x, 0);
        rings += 1;
    }

    assert!(rings < 10, "{rings}");
}

#[test]
fn whoever_does_not_borrow_is_not_sent_to_others_by_a_revival() {
    let mut table = Table::of(3);
    table.change(0, LimitsPatch { borrow: Some(false), ..LimitsPatch::default() });
    table.call(0, |_| Some(dead()));
    assert_eq!(table.state(0), "disabled");
    table.pass_time(seconds(120));

    let served = table.call(0, |_| Some(day()));

    assert_eq!((served.tried, served.result), (vec![BEARER], Result::Passed));
}

#[test]
fn a_dead_key_that_is_withdrawn_while_its_bearer_calls_does_not_join_again() {
    for spent in [false, true] {
        let mut table = Table::of(2);
        (0..3).for_each(|_| drop(table.call(1, |key| (key == 0).then(dead))));
        assert_eq!(table.state(0), "disabled");
        let mut x = table.pool.begin(Call::plain(id(0), MODEL), table.now);
        assert!(matches!(table.pool.next(&mut x, table.now), Step::Try(_)));
        table.pool.withdraw(id(0), grave(0), table.now).unwrap();

        let failure = day();
        let outcome = if spent { Outcome::Failed(&failure) } else { Outcome::Served };
        let after = table.pool.report(&mut x, outcome, table.now);

        let expected = if spent { After::Pass } else { After::Commit { admit: false } };
        assert_eq!(after, expected);
        table.end(x, 0);
    }
}

#[test]
fn what_is_stored_but_cannot_join_is_erased_again() {
    let withdrawn = Call { tombstone: Some(grave(9)), ..Call::plain(id(9), MODEL) };
    let mut table = Table::of(1);
    let mut x = table.pool.begin(withdrawn, table.now);
    table.pool.next(&mut x, table.now);
    table.pool.report(&mut x, Outcome::Served, table.now);
    table.pool.restore_tombstone(grave(9));
    assert!(!table.pool.admitted(&mut x, 9, table.now));
    table.end(x, 0);
    assert_eq!(table.events(), [Event::Withdrawn { id: id(9), tombstone: grave(9) }]);

    let mut full = Table::of(0);
    full.pool = Pool::new(Config { max_keys: 1, ..Config::default() }, 7);
    let mut x = full.pool.begin(Call::plain(id(9), MODEL), full.now);
    full.pool.next(&mut x, full.now);
    assert_eq!(full.pool.report(&mut x, Outcome::Served, full.now), After::Commit { admit: true });
    full.join(1);
    assert!(!full.pool.admitted(&mut x, 9, full.now));
    full.end(x, 0);
    assert_eq!(full.events(), [Event::Erase(id(9))]);
}

#[test]
fn an_answered_proof_makes_room_for_the_next_however_long_its_stream() {
    let mut table = Table::of(1);
    let mut streams = Vec::new();
    for number in 100..200 {
        let mut x = table.pool.begin(Call::plain(id(number), MODEL), table.now);
        let step = table.pool.next(&mut x, table.now);
        assert!(matches!(step, Step::Try(_)), "{number}: {step:?}");
        table.pool.report(&mut x, Outcome::Served, table.now);
        assert!(table.pool.admitted(&mut x, number, table.now));
        streams.push(x);
    }
    streams.into_iter().for_each(|x| table.end(x, 0));
}

#[test]
fn a_doubt_about_a_metered_call_rests_that_kind_of_call_alone() {
    let mut table = Table::of(1);
    let lends = Limits { lend_models: Some([MODEL.into()].into()), ..Limits::default() };
    table.join_with(1, lends);
    let maps = Call { metered: Metered::MAPS, ..Call::plain(id(0), MODEL) };
    let blocked = || reason(403, "API_KEY_SERVICE_BLOCKED", None);

    let asked = table.ask(maps, |key| (key == 1).then(blocked));

    assert_eq!(asked.tried, [1, 0]);
    assert!((0..4).any(|_| table.serve(0) == 1), "plain calls go on");
    assert_eq!(table.ask(maps, |_| None).tried, [0], "maps rest");
}

#[test]
fn metered_calls_cannot_use_up_the_lanes_of_plain_ones() {
    let mut table = Table::of(2);
    let kinds = [
        Metered::SEARCH,
        Metered::MAPS,
        Metered::CODE,
        Metered::COMPUTER,
        Metered::IMAGE_OUT,
        Metered::SPEECH_OUT,
    ];
    for number in 0..20 {
        for bits in 1..64 {
            let chosen = kinds.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            let metered = chosen.fold(Metered::NONE, |sum, (_, one)| sum | *one);
            let model = format!("gemini-{number}");
            let family = Family::CountTokens;
            table.ask(Call { metered, family, ..Call::plain(id(0), &model) }, |_| None);
        }
    }
    // A model of its own rests by itself, not with all that came late.
    (0..2).for_each(|_| drop(table.ask(Call::plain(id(0), "late"), |_| Some(day()))));
    assert_eq!(table.ask(Call::plain(id(0), "later"), |_| None).result, Result::Answer);
}

#[test]
fn a_model_that_no_model_is_called_cannot_be_lent() {
    let patch = |name: &str| LimitsPatch {
        lend_models: Some(Some(vec![name.to_owned()])),
        ..LimitsPatch::default()
    };
    for name in ["a\nb", "*", "", "models/", "a b", "é", "models/*"] {
        let refused = patch(name).apply(&mut Limits::default());
        assert_eq!(refused, Err(LimitsRefused::NoModelName), "{name:?}");
    }
    assert_eq!(patch("models/gemini-2.5-flash_x").apply(&mut Limits::default()), Ok(()));
}
