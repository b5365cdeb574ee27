//! What the pool knows of quotas: learned from refusals, counted, shared, and kept for those whose
//! keys they are.
#![allow(clippy::unwrap_used, missing_docs)]

mod table;

use std::collections::BTreeMap;

use potluck_core::{Call, Exchange, LimitsPatch, Outcome, Refusal, Step};
use potluck_gemini::{Family, failure::Failure};
use table::*;

/// Google's side: so many calls a day and project.
struct Google {
    a_day: u32,
    /// Which project a key is of; mostly its own.
    projects: BTreeMap<u32, u32>,
    spent: BTreeMap<u32, u32>,
    refused: u32,
}

impl Google {
    fn of(a_day: u32) -> Google {
        Google { a_day, projects: BTreeMap::new(), spent: BTreeMap::new(), refused: 0 }
    }

    fn ask(&mut self, key: u32) -> Option<Failure> {
        let project = self.projects.get(&key).copied().unwrap_or(key);
        let spent = self.spent.entry(project).or_default();
        if *spent < self.a_day {
            *spent += 1;
            return None;
        }
        self.refused += 1;
        Some(per_day(self.a_day))
    }

    fn midnight(&mut self) {
        self.spent.clear();
    }
}

fn per_day(limit: u32) -> Failure {
    let id = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
    quota(id, &limit.to_string(), Some(38))
}

fn per_minute(limit: u32) -> Failure {
    let id = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier";
    quota(id, &limit.to_string(), Some(30))
}

/// The next day of Google's, at noon.
fn next_day(table: &mut Table, google: &mut Google) {
    table.run_until(table.now.mono + seconds(24 * 3600));
    google.midnight();
}

/// Calls of one bearer, as many as are served of so many.
fn served(table: &mut Table, google: &mut Google, bearer: u32, calls: u32) -> u32 {
    let serves = |_: &u32| table.call(bearer, |key| google.ask(key)).result == Result::Answer;
    (0..calls).filter(serves).count() as u32
}

#[test]
fn a_limit_that_was_told_is_not_run_into_again() {
    let (mut table, mut google) = (Table::of(1), Google::of(20));
    assert_eq!(served(&mut table, &mut google, 0, 30), 20);
    assert_eq!(google.refused, 1);
    for _ in 0..5 {
        next_day(&mut table, &mut google);
        assert_eq!(served(&mut table, &mut google, 0, 30), 20);
    }
    assert_eq!(google.refused, 1, "it is known");
}

#[test]
fn a_minute_that_was_told_is_counted() {
    let mut table = Table::of(1);
    table.call(0, |_| Some(per_minute(2)));
    table.pass_time(seconds(120));
    (0..2).for_each(|_| assert_eq!(table.serve(0), 0));
    let third = table.call(0, |_| None);
    assert!(third.tried.is_empty(), "{third:?}");
    table.pass_time(seconds(61));
    assert_eq!(table.serve(0), 0);
}

#[test]
fn what_one_key_was_told_holds_for_others_of_its_tier() {
    let (mut table, mut google) = (Table::of(2), Google::of(20));
    for bearer in [0, 1].repeat(25) {
        table.call(bearer, |key| google.ask(key));
    }
    assert_eq!(google.spent.values().sum::<u32>(), 40);
    assert!(google.refused <= 2, "{}", google.refused);
}

#[test]
fn a_raised_limit_is_found_again_within_weeks_and_a_lowered_one_at_once() {
    let (mut table, mut google) = (Table::of(1), Google::of(20));
    served(&mut table, &mut google, 0, 30);
    google.a_day = 50;
    let mut days = 0;
    while served(&mut table, &mut google, 0, 60) < 50 {
        next_day(&mut table, &mut google);
        days += 1;
        assert!(days < 20, "never found");
    }
    assert!(days >= 7, "tried more than once a week");
    google.a_day = 10;
    next_day(&mut table, &mut google);
    google.refused = 0;
    assert_eq!(served(&mut table, &mut google, 0, 60), 10);
    next_day(&mut table, &mut google);
    served(&mut table, &mut google, 0, 60);
    assert_eq!(google.refused, 1);
}

#[test]
fn two_names_of_one_model_share_its_quota() {
    let mut table = Table::of(1);
    let alias = Call { model: Some("gemini-flash-latest"), ..Call::plain(id(0), MODEL) };
    let mut told = per_day(20);
    told.quotas[0].model = Some(MODEL.to_owned());
    table.ask(alias, |_| Some(told.clone()));
    assert!(matches!(table.call(0, |_| None).result, Result::Refused(Refusal::Resting { .. })));
}

#[test]
fn whose_turn_it_is_stays_when_a_model_turns_out_to_be_anothers_name() {
    for start in 0..50 {
        let mut table = Table::of(50);
        let alias = || Call { model: Some("gemini-flash-latest"), ..Call::plain(id(0), MODEL) };
        for _ in 0..start {
            table.ask(alias(), |_| None);
        }
        let mut told = per_day(20);
        told.quotas[0].model = Some(MODEL.to_owned());
        let mut first = None;
        let tried = table.ask(alias(), |key| {
            let refused = *first.get_or_insert(key) == key;
            refused.then(|| told.clone())
        });
        let &[refused, served] = tried.tried.as_slice() else { panic!("{tried:?}") };
        assert_eq!(served, (refused + 1) % 50);
    }
}

#[test]
fn keys_that_google_names_of_one_project_are_one_quota() {
    let mut table = Table::of(3);
    for key in [0, 1] {
        let mut failure = reason(429, "RATE_LIMIT_EXCEEDED", Some(7));
        failure.quotas = per_day(20).quotas;
        let own = Call { own_requested: true, ..Call::plain(id(key), MODEL) };
        table.ask(own, |_| Some(failure.clone()));
        table.run_until(table.now.mono + seconds(24 * 3600));
    }
    // Ten calls with each of two keys are twenty of one project.
    for key in [0, 1].repeat(10) {
        let own = Call { own_requested: true, ..Call::plain(id(key), MODEL) };
        table.ask(own, |_| None);
    }
    for _ in 0..5 {
        assert_eq!(table.serve(2), 2, "the project is spent");
    }
}

/// Calls with the own key alone, as many as are served of so many.
fn own_calls(table: &mut Table, google: &mut Google, bearer: u32, calls: u32) -> u32 {
    let own = Call { own_requested: true, ..Call::plain(id(bearer), MODEL) };
    let serves = |_: &u32| table.ask(own, |key| google.ask(key)).result == Result::Answer;
    (0..calls).filter(serves).count() as u32
}

/// What is left of the day, as far as the pool knows.
fn left(table: &mut Table) -> u64 {
    let outlook = table.pool.outlook(MODEL, Family::Generate, None, table.now);
    outlook.unwrap().day.unwrap().left
}

#[test]
fn keys_that_explain_each_others_refusals_for_days_are_found_to_be_of_one_project() {
    let (mut table, mut google) = (Table::of(2), Google::of(20));
    google.projects = BTreeMap::from([(0, 9), (1, 9)]);
    for first in [12, 5, 9] {
        assert_eq!(own_calls(&mut table, &mut google, 0, first), first);
        assert_eq!(own_calls(&mut table, &mut google, 1, 30), 20 - first);
        assert_eq!(own_calls(&mut table, &mut google, 0, 1), 0);
        next_day(&mut table, &mut google);
    }
    for day in 1..=6 {
        google.refused = 0;
        served(&mut table, &mut google, 0, 15);
        served(&mut table, &mut google, 1, 15);
        assert!(google.refused <= 1, "day {day}: twenty calls are counted together, one is a test");
        assert!(day <= 3 || google.refused == 0, "it stood the test on three days");
        next_day(&mut table, &mut google);
    }
}

#[test]
fn what_is_divided_alike_every_day_explains_nothing() {
    let (mut table, mut google) = (Table::of(2), Google::of(20));
    for _ in 0..4 {
        // Each is spent elsewhere by half, which is no business of the other's.
        for key in [0, 1] {
            (0..10).for_each(|_| drop(google.ask(key)));
            assert_eq!(own_calls(&mut table, &mut google, key, 30), 10);
        }
        next_day(&mut table, &mut google);
    }
    assert_eq!(own_calls(&mut table, &mut google, 0, 20), 20);
    assert_eq!(own_calls(&mut table, &mut google, 1, 20), 20);
    next_day(&mut table, &mut google);
    assert_eq!(left(&mut table), 40);
}

#[test]
fn keys_that_were_guessed_to_be_of_one_project_and_are_not_are_parted_again() {
    let (mut table, mut google) = (Table::of(2), Google::of(20));
    // For some days of one so much is spent elsewhere as is left of the other.
    for first in [12, 5, 9] {
        for (key, elsewhere) in [(0, first), (1, 20 - first)] {
            (0..elsewhere).for_each(|_| drop(google.ask(key)));
            assert_eq!(own_calls(&mut table, &mut google, key, 30), 20 - elsewhere);
        }
        next_day(&mut table, &mut google);
    }

    let days: Vec<u32> = (0..3)
        .map(|_| {
            let both = [0, 1].map(|bearer| served(&mut table, &mut google, bearer, 20));
            next_day(&mut table, &mut google);
            both.iter().sum()
        })
        .collect();

    assert!(days[0] < 40, "they were taken to be of one project: {days:?}");
    assert_eq!(days[2], 40, "each has its own twenty: {days:?}");
}

#[test]
fn a_heavy_caller_leaves_to_others_what_their_own_keys_would_have_served() {
    let (mut table, mut google) = (Table::of(10), Google::of(20));
    for day in 0..5 {
        // All morning one asks for ten times the pool, and at night everybody wants their own.
        table.run_until(table.now.mono + seconds(12 * 3600 + 60));
        google.midnight();
        served(&mut table, &mut google, 0, 2000);
        for bearer in 1..10 {
            table.pass_time(seconds(3600));
            let got = served(&mut table, &mut google, bearer, 20);
            assert!(day == 0 || got == 20, "day {day}: {bearer} got {got}");
        }
        table.run_until(table.now.mono + seconds(3 * 3600 - 60));
    }
}

#[test]
fn who_brings_nothing_of_use_gets_what_is_left_over() {
    let (mut table, mut google) = (Table::of(10), Google::of(20));
    for bearer in 0..10 {
        served(&mut table, &mut google, bearer, 25);
    }
    next_day(&mut table, &mut google);
    table.change(0, LimitsPatch { paused: Some(true), ..LimitsPatch::default() });

    let paused = served(&mut table, &mut google, 0, 500);

    assert!(paused >= 20, "the own key serves its bearer");
    for bearer in 1..10 {
        assert_eq!(served(&mut table, &mut google, bearer, 16), 16, "{bearer}");
    }
}

#[test]
fn a_call_for_which_nothing_is_left_over_is_told_so() {
    let (mut table, mut google) = (Table::of(5), Google::of(20));
    for bearer in 0..5 {
        served(&mut table, &mut google, bearer, 25);
    }
    next_day(&mut table, &mut google);
    served(&mut table, &mut google, 0, 200);
    let last = table.call(0, |key| google.ask(key)).result;
    assert!(matches!(last, Result::Refused(Refusal::Reserved { .. })), "{last:?}");
    let outlook = table.pool.outlook(MODEL, Family::Generate, Some(id(0)), table.now);
    let outlook = outlook.unwrap().day.unwrap();
    assert!(outlook.left > 0 && outlook.left <= outlook.kept, "{outlook:?}");
}

#[test]
fn keys_of_a_spent_day_come_back_one_before_all() {
    let (mut table, mut google) = (Table::of(20), Google::of(1));
    for bearer in 0..20 {
        served(&mut table, &mut google, bearer, 2);
    }
    let refused = google.refused;
    // Midnight by our clock, not yet by Google's.
    table.run_until(table.now.mono + seconds(12 * 3600));
    for bearer in 0..20 {
        table.call(bearer, |key| google.ask(key));
    }
    assert!(google.refused - refused <= 2, "{} were tried", google.refused - refused);

    google.midnight();
    table.pass_time(seconds(60));
    let served: u32 = (0..20).map(|bearer| served(&mut table, &mut google, bearer, 1)).sum();
    assert_eq!(served, 20);
}

#[test]
fn what_upstream_trouble_ate_is_not_counted_as_spent() {
    let (mut table, mut google) = (Table::of(1), Google::of(20));
    served(&mut table, &mut google, 0, 25);
    next_day(&mut table, &mut google);
    (0..20).for_each(|_| {
        table.call(0, |_| Some(error(503, "The service is currently unavailable.")));
    });
    assert_eq!(served(&mut table, &mut google, 0, 25), 20);
}

#[test]
fn what_is_spent_elsewhere_is_expected_there_and_asked_for_again() {
    let (mut table, mut google) = (Table::of(1), Google::of(20));
    let a_day = |table: &mut Table, google: &mut Google, elsewhere| {
        (0..elsewhere).for_each(|_| drop(google.ask(0)));
        google.refused = 0;
        let served = served(table, google, 0, 30);
        next_day(table, google);
        (served, google.refused)
    };
    assert_eq!(a_day(&mut table, &mut google, 12), (8, 1));

    let days: Vec<_> = (0..6).map(|_| a_day(&mut table, &mut google, 12)).collect();

    assert!(days.iter().all(|(served, refused)| *served == 8 && *refused <= 1), "{days:?}");
    assert_eq!(a_day(&mut table, &mut google, 0).0, 20, "nobody spends elsewhere any more");
}

#[test]
fn keys_that_share_projects_unknown_to_all_are_no_larger_than_those() {
    let (mut table, mut google) = (Table::of(30), Google::of(20));
    google.projects = (0..30).map(|key| (key, key % 10)).collect();
    let everybody = |table: &mut Table, google: &mut Google| -> u32 {
        (0..25).flat_map(|_| 0..30).map(|bearer| served(table, google, bearer, 1)).sum()
    };
    everybody(&mut table, &mut google);
    google.refused = 0;

    for day in 1..=6 {
        next_day(&mut table, &mut google);
        let left = left(&mut table);
        assert!((195..=200).contains(&left), "day {day}: {left} of 200");
        assert_eq!(everybody(&mut table, &mut google), 200, "day {day}");
    }

    assert!(google.refused <= 6 * 30, "each asked more than once a day: {}", google.refused);
}

#[test]
fn what_was_counted_by_another_name_is_counted_by_the_right_one() {
    let alias = Call { model: Some("gemini-flash-latest"), ..Call::plain(id(0), MODEL) };
    let told = |mut failure: Failure| {
        failure.quotas[0].model = Some(MODEL.to_owned());
        failure
    };
    // Called by both names, and by the alias alone.
    for (by_alias, by_name, limit) in [(5, 15, 20), (7, 0, 7)] {
        let (mut table, mut google) = (Table::of(1), Google::of(limit));
        (0..by_alias).for_each(|_| drop(table.ask(alias, |key| google.ask(key))));
        assert_eq!(served(&mut table, &mut google, 0, by_name), by_name);
        table.ask(alias, |key| google.ask(key).map(told));

        next_day(&mut table, &mut google);

        assert_eq!(left(&mut table), u64::from(limit), "nothing was spent elsewhere");
    }
}

#[test]
fn calls_under_way_when_the_day_is_met_change_nothing_of_what_it_taught() {
    // Others have spent twelve: of what is under way eight are served, in whatever order.
    for served_last in [true, false] {
        let mut table = Table::of(1);
        let begin = |table: &mut Table| {
            let mut x = table.pool.begin(Call::plain(id(0), MODEL), table.now);
            assert!(matches!(table.pool.next(&mut x, table.now), Step::Try(_)));
            x
        };
        table.serve(0);
        let mut served: Vec<_> = (0..7).map(|_| begin(&mut table)).collect();
        let refused: Vec<_> = (0..3).map(|_| begin(&mut table)).collect();
        let serve = |table: &mut Table, served: Vec<Exchange>| {
            for mut x in served {
                table.pool.report(&mut x, Outcome::Served, table.now);
                table.end(x, 0);
            }
        };
        if !served_last {
            serve(&mut table, std::mem::take(&mut served));
        }
        for mut x in refused {
            table.pool.report(&mut x, Outcome::Failed(&per_day(20)), table.now);
            table.end(x, 0);
        }
        serve(&mut table, served);

        let again = table.call(0, |_| None);
        assert!(again.tried.is_empty(), "Google said that the day is spent: {again:?}");
        next_day(&mut table, &mut Google::of(20));
        assert_eq!(left(&mut table), 8);
    }
}

#[test]
fn more_under_way_than_there_is_room_for_is_nobodys_elsewhere() {
    let mut table = Table::of(1);
    table.serve(0);
    let mut open: Vec<_> = (0..22)
        .map(|_| {
            let mut x = table.pool.begin(Call::plain(id(0), MODEL), table.now);
            assert!(matches!(table.pool.next(&mut x, table.now), Step::Try(_)));
            x
        })
        .collect();
    for mut x in open.split_off(19) {
        table.pool.report(&mut x, Outcome::Failed(&per_day(20)), table.now);
        table.end(x, 0);
    }
    for mut x in open {
        table.pool.report(&mut x, Outcome::Served, table.now);
        table.end(x, 0);
    }
    next_day(&mut table, &mut Google::of(20));
    assert_eq!(left(&mut table), 20);
}

#[test]
fn who_borrows_of_a_spent_pool_is_told_until_when_and_not_to_ask_by_the_minute() {
    let (mut table, mut google) = (Table::of(2), Google::of(20));
    served(&mut table, &mut google, 0, 50);
    let last = table.call(0, |key| google.ask(key)).result;
    assert!(matches!(last, Result::Refused(Refusal::Resting { per_day: true, .. })), "{last:?}");
}
