//! What was learned of quotas outlives a restart, and nothing that is read at one can do harm.
#![allow(clippy::unwrap_used, missing_docs)]

mod table;

use std::collections::BTreeMap;

use potluck_core::{
    Call, Config, CooldownRecord, Event, KeyId, KeyRecord, Limits, Pool, State, Usage,
};
use potluck_gemini::{Family, failure::Failure};
use table::*;

/// What a store holds after a pool's events.
#[derive(Default)]
struct Disk {
    learned: BTreeMap<KeyId, Box<str>>,
    cooldowns: BTreeMap<KeyId, Vec<CooldownRecord>>,
    quotas: BTreeMap<Box<str>, Box<str>>,
}

impl Disk {
    /// Everything that the pool wants kept.
    fn take(&mut self, table: &mut Table) {
        table.pool.flush();
        self.take_at_once(table);
    }

    /// What it wants kept at once.
    fn take_at_once(&mut self, table: &mut Table) {
        for event in table.events() {
            match event {
                Event::Learned { id, facts, .. } => drop(self.learned.insert(id, facts)),
                Event::Cooldowns { id, cooldowns } => drop(self.cooldowns.insert(id, cooldowns)),
                Event::Quota { scope, facts, .. } => drop(self.quotas.insert(scope, facts)),
                _ => {}
            }
        }
    }

    /// A pool of `keys` keys that knows what is stored, at that pool's time.
    fn give(&self, keys: u32, table: &Table) -> Table {
        let mut again = Table { pool: Pool::new(Config::default(), 8), now: table.now };
        for (scope, facts) in &self.quotas {
            again.pool.restore_quota(scope, facts, again.now);
        }
        for number in 0..keys {
            let id = id(number);
            let record = KeyRecord {
                id,
                added: again.now.wall,
                limits: Limits::default(),
                state: State::Active,
                cooldowns: self.cooldowns.get(&id).cloned().unwrap_or_default(),
                usage: Usage::default(),
                learned: self.learned.get(&id).cloned().unwrap_or_default(),
            };
            assert!(again.pool.restore(record, number, again.now));
        }
        again
    }
}

/// The same pool after a restart.
fn restarted(table: &mut Table, keys: u32) -> Table {
    let mut disk = Disk::default();
    disk.take(table);
    disk.give(keys, table)
}

fn per_day(limit: u32) -> Failure {
    let id = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
    quota(id, &limit.to_string(), Some(38))
}

fn own(number: u32) -> Call<'static> {
    Call { own_requested: true, ..Call::plain(id(number), MODEL) }
}

/// Google's side: twenty calls a day and project, and every key of a project of its own but those
/// of the project of key 0.
#[derive(Default)]
struct Google {
    with_0: Vec<u32>,
    spent: BTreeMap<u32, u32>,
    refused: u32,
}

impl Google {
    fn ask(&mut self, key: u32) -> Option<Failure> {
        let project = if self.with_0.contains(&key) { 0 } else { key };
        let spent = self.spent.entry(project).or_default();
        if *spent < 20 {
            *spent += 1;
            return None;
        }
        self.refused += 1;
        Some(per_day(20))
    }
}

/// Plain calls of one bearer: how many of so many are served.
fn served(table: &mut Table, google: &mut Google, bearer: u32, calls: u32) -> u32 {
    let serves = |_: &u32| table.call(bearer, |key| google.ask(key)).result == Result::Answer;
    (0..calls).filter(serves).count() as u32
}

/// The next day of Google's, at noon.
fn next_day(table: &mut Table, google: &mut Google) {
    table.run_until(table.now.mono + seconds(24 * 3600));
    google.spent.clear();
    google.refused = 0;
}

/// Calls counted of a key's only account, as it is kept.
fn counted(table: &mut Table, number: u32) -> Option<String> {
    let mut disk = Disk::default();
    disk.take(table);
    let account = disk.learned.get(&id(number))?.lines().next()?.to_owned();
    account.split(' ').nth(4).map(str::to_owned)
}

/// A pool of `keys` keys, each of which was told yesterday what it has a day.
fn taught(keys: u32) -> (Table, Google) {
    let (mut table, mut google) = (Table::of(keys), Google::default());
    for key in 0..keys {
        for _ in 0..21 {
            table.ask(own(key), |key| google.ask(key));
        }
    }
    assert_eq!(google.refused, keys);
    next_day(&mut table, &mut google);
    (table, google)
}

#[test]
fn the_call_by_which_a_key_joins_is_of_its_quota() {
    let mut table = Table::of(0);
    assert_eq!(table.call(9, |_| None).tried, [BEARER]);
    assert_eq!(counted(&mut table, 9).as_deref(), Some("1"));
    table.ask(own(9), |_| None);
    assert_eq!(counted(&mut table, 9).as_deref(), Some("2"));
}

#[test]
fn a_limit_that_was_known_is_not_met_again() {
    let (mut table, mut google) = taught(2);
    let before = served(&mut table, &mut google, 0, 13) + served(&mut table, &mut google, 1, 12);

    let mut again = restarted(&mut table, 2);
    let after = served(&mut again, &mut google, 0, 20) + served(&mut again, &mut google, 1, 20);

    assert_eq!((before + after, google.refused), (40, 0), "limits, and what was spent");
}

#[test]
fn what_one_key_was_told_holds_for_others_after_a_restart() {
    let (mut table, mut google) = taught(1);
    let mut disk = Disk::default();
    disk.take(&mut table);

    // The second key is new, and spends what is usually the limit.
    let mut again = disk.give(2, &table);

    assert_eq!(served(&mut again, &mut google, 0, 20), 20);
    assert_eq!(served(&mut again, &mut google, 1, 20), 20);
    assert_eq!(google.refused, 0);
}

#[test]
fn a_day_that_is_spent_by_count_stays_spent_without_a_stored_cooldown() {
    let (mut table, mut google) = taught(1);
    assert_eq!(served(&mut table, &mut google, 0, 20), 20);
    let mut disk = Disk::default();
    disk.take(&mut table);
    disk.cooldowns.clear();

    let refused = disk.give(1, &table).call(0, |_| None);

    let is_told = matches!(refused.result, Result::Refused(_));
    assert!(is_told && refused.tried.is_empty(), "{refused:?}");
    assert_eq!(disk.give(1, &table).pool.me(id(0), table.now).unwrap().cooldowns.len(), 1);
}

#[test]
fn counts_of_yesterday_are_dropped_and_habits_learned_from_them() {
    let (mut table, mut google) = taught(1);
    served(&mut table, &mut google, 0, 20);
    let mut disk = Disk::default();
    disk.take(&mut table);
    next_day(&mut table, &mut google);

    let mut again = disk.give(1, &table);

    assert_eq!(served(&mut again, &mut google, 0, 30), 20, "a day has begun");
    assert_eq!(google.refused, 0, "the limit holds");
    disk.take(&mut again);
    let facts = disk.learned[&id(0)].clone();
    let habit = facts.split(' ').find(|word| word.matches(',').count() == 6).unwrap();
    assert!(habit.starts_with("2e1,"), "{facts}");
}

#[test]
fn a_restart_changes_nothing_of_what_is_kept() {
    let (mut table, mut google) = taught(3);
    for bearer in 0..3 {
        served(&mut table, &mut google, bearer, 5 + bearer);
    }
    let (mut before, mut after) = (Disk::default(), Disk::default());
    before.take(&mut table);

    let mut again = before.give(3, &table);
    // What Google did not serve is taken back, and all is told anew.
    for bearer in 0..3 {
        again.ask(own(bearer), |_| Some(error(503, "The service is currently unavailable.")));
    }
    after.take(&mut again);

    let accounts = |disk: &Disk| {
        let spent = |facts: &str| facts.split(' ').take(6).collect::<Vec<_>>().join(" ");
        disk.learned.values().map(|facts| spent(facts)).collect::<Vec<_>>()
    };
    assert_eq!(accounts(&after), accounts(&before));
    let tiers = |disk: &Disk| {
        let facts = disk.quotas.values().next().cloned().unwrap_or_default();
        facts.lines().filter(|line| line.starts_with("tier")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(tiers(&before), ["tier 0,0,20,0"]);
    assert!(after.quotas.is_empty() || tiers(&after) == tiers(&before));
}

#[test]
fn what_is_kept_for_others_is_kept_after_a_restart() {
    let (mut table, mut google) = taught(5);
    for _ in 0..3 {
        for bearer in 0..5 {
            served(&mut table, &mut google, bearer, 16);
        }
        next_day(&mut table, &mut google);
    }
    let outlook = |table: &mut Table| {
        let family = potluck_gemini::Family::Generate;
        table.pool.outlook(MODEL, family, Some(id(0)), table.now).unwrap().day
    };
    served(&mut table, &mut google, 0, 10);
    let before = outlook(&mut table).unwrap();

    let after = outlook(&mut restarted(&mut table, 5)).unwrap();

    assert_eq!(after.left, before.left);
    assert!(before.kept > 0 && after.kept.abs_diff(before.kept) <= 1, "{before:?} {after:?}");
}

#[test]
fn two_names_of_one_model_share_its_quota_after_a_restart() {
    let (mut table, mut google) = taught(1);
    let alias = || Call { model: Some("gemini-flash-latest"), ..Call::plain(id(0), MODEL) };
    let mut told = per_day(20);
    told.quotas[0].model = Some(MODEL.to_owned());
    table.ask(alias(), |_| Some(told.clone()));
    next_day(&mut table, &mut google);
    served(&mut table, &mut google, 0, 20);

    let refused = restarted(&mut table, 1).ask(alias(), |_| None);

    assert!(refused.tried.is_empty(), "{refused:?}");
}

#[test]
fn a_rest_under_two_names_is_told_as_one_after_a_restart_though_clocks_drift() {
    let alias = Call { model: Some("gemini-flash-latest"), ..own(0) };
    let mut table = Table::of(1);
    let mut told = per_day(20);
    told.quotas[0].model = Some(MODEL.to_owned());
    table.ask(alias, |_| Some(told.clone()));
    let cooldowns = |table: &Table| table.pool.me(id(0), table.now).unwrap().cooldowns.len();
    assert_eq!(cooldowns(&table), 1);
    table.now.wall = table.now.wall + std::time::Duration::from_millis(40);

    let mut disk = Disk::default();
    disk.take(&mut table);

    assert_eq!(cooldowns(&disk.give(1, &table)), 1);
}

#[test]
fn two_names_of_one_model_are_kept_with_the_rest_that_told_of_them() {
    let alias = Call { model: Some("gemini-flash-latest"), ..own(0) };
    let mut table = Table::of(1);
    let mut told = per_day(20);
    told.quotas[0].model = Some(MODEL.to_owned());
    table.ask(alias, |_| Some(told.clone()));

    let mut disk = Disk::default();
    disk.take_at_once(&mut table);

    let again = disk.give(1, &table);
    assert_eq!(again.pool.me(id(0), again.now).unwrap().cooldowns.len(), 1);
}

#[test]
fn keys_of_one_project_are_one_quota_after_every_restart() {
    let (mut table, mut google) = taught(3);
    google.with_0 = vec![2];
    for key in [2, 0] {
        let mut failure = reason(429, "RATE_LIMIT_EXCEEDED", Some(7));
        failure.quotas = per_day(20).quotas;
        table.ask(own(key), |_| Some(failure.clone()));
    }
    let mut disk = Disk::default();
    for restarts in 0..3 {
        next_day(&mut table, &mut google);
        disk.take(&mut table);
        table = disk.give(3, &table);
        let all = [0, 1, 2].map(|bearer| served(&mut table, &mut google, bearer, 20));
        assert_eq!((all.iter().sum::<u32>(), google.refused), (40, 0), "restarts: {restarts}");
    }
}

#[test]
fn nothing_of_googles_name_for_a_project_is_kept() {
    let mut table = Table::of(2);
    for key in [0, 1] {
        let mut failure = reason(429, "RATE_LIMIT_EXCEEDED", Some(424_242_424));
        failure.quotas = per_day(20).quotas;
        table.ask(own(key), |_| Some(failure.clone()));
    }
    let mut disk = Disk::default();
    disk.take(&mut table);
    assert!(disk.learned.values().all(|facts| facts.contains("project ")));
    assert!(!disk.learned.values().any(|facts| facts.contains("424242424")));
}

#[test]
fn what_does_not_read_is_ignored_line_by_line() {
    let (mut table, mut google) = taught(1);
    served(&mut table, &mut google, 0, 20);
    let mut disk = Disk::default();
    disk.take(&mut table);
    let good = disk.learned[&id(0)].clone();
    let facts = disk.quotas.values().next().unwrap().clone();
    let lane = "lane/generate//gemini-3.5-flash";
    let garbage = [
        "".to_owned(),
        "\n\n".to_owned(),
        "account".to_owned(),
        "a newer fact 1 2 3".to_owned(),
        "project nothing".to_owned(),
        "project ffffffffffffffffffff".to_owned(),
        good.replace("account", "account2"),
        good.replace(lane, "all"),
        good.replace(lane, "lane/nothing//m"),
        good.replace(lane, ""),
        good.replace("0,0,20,0", "0,0,-20,0"),
        good.replace("0,0,20,0", "20"),
        format!("account 0,0,20,0 1 2 3 4 5 6 - 0 NaN,1,1,1,1,1,1 {lane}"),
        format!("account 0,0,20,0 1 2 3 4 5 6 - 0 1,inf,1,1,1,1,1 {lane}"),
        "\u{0}\u{ffff}".to_owned(),
    ];
    let shares = ["NaN"; 24].join(",");
    let hours = format!("hours 1 1 0 0 {shares} {}", ["0"; 24].join(","));
    let quotas = ["hours", "hours 1 2 3", &hours, "tier", "tier 1", "alias", "alias all", "x"];
    for text in garbage {
        disk.learned.insert(id(0), text.clone().into());
        disk.cooldowns.clear();
        assert_eq!(disk.give(1, &table).serve(0), 0, "{text}");
        // What is sound beside it is taken in.
        disk.learned.insert(id(0), format!("{text}\n{good}").into());
        assert!(disk.give(1, &table).call(0, |_| None).tried.is_empty(), "{text}");
    }
    for text in quotas {
        for (scope, facts) in [("all", &*facts), ("", text), (lane, text)] {
            disk.quotas = BTreeMap::from([(scope.into(), facts.into())]);
            assert!(disk.give(1, &table).call(0, |_| None).tried.is_empty(), "{scope} {text}");
        }
    }
}

#[test]
fn what_is_kept_of_a_key_is_bounded() {
    let mut table = Table::of(1);
    let names: Vec<String> = (0..60).map(|number| format!("gemini-{number}")).collect();
    for name in &names {
        let call = Call { model: Some(name), ..own(0) };
        table.ask(call, |_| None);
        table.run_until(table.now.mono + seconds(3600));
    }
    let mut disk = Disk::default();
    disk.take(&mut table);
    let facts = &disk.learned[&id(0)];
    assert_eq!(facts.lines().count(), 24);
    assert!(facts.contains("gemini-59") && !facts.contains("gemini-1\n"), "those used last");
}

#[test]
fn what_nobody_used_for_months_takes_no_lane() {
    let (mut table, mut google) = taught(1);
    served(&mut table, &mut google, 0, 20);
    let mut disk = Disk::default();
    disk.take(&mut table);
    disk.cooldowns.clear();
    table.now = table.now + seconds(90 * 24 * 3600);
    let again = disk.give(1, &table);
    assert!(again.pool.metrics().lanes.is_empty());
}

#[test]
fn a_restart_a_week_keeps_nothing_alive_that_nobody_uses() {
    let (mut table, mut google) = taught(1);
    served(&mut table, &mut google, 0, 20);
    let mut disk = Disk::default();
    disk.take(&mut table);
    disk.cooldowns.clear();

    for _ in 0..13 {
        table.now = table.now + seconds(7 * 24 * 3600);
        let mut again = disk.give(1, &table);
        again.run_until(again.now.mono + seconds(24 * 3600));
        disk.take(&mut again);
        disk.cooldowns.clear();
    }

    assert!(disk.give(1, &table).pool.metrics().lanes.is_empty());
}

#[test]
fn what_is_spent_elsewhere_is_known_after_a_restart() {
    let (mut table, mut google) = (Table::of(1), Google::default());
    (0..12).for_each(|_| drop(google.ask(0)));
    assert_eq!(served(&mut table, &mut google, 0, 30), 8);

    let mut again = restarted(&mut table, 1);
    again.run_until(again.now.mono + seconds(24 * 3600));

    let left = again.pool.outlook(MODEL, Family::Generate, None, again.now).unwrap().day;
    assert_eq!(left.unwrap().left, 8);
}
