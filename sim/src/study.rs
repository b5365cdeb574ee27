//! The study: every policy through every world, a row each.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use serde::Serialize;

use crate::{
    oracle,
    policy::Kind,
    run::{self, Tally},
    world::{QUOTAS, Scenario, Size, World, build},
};

/// What is to be studied.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where chance comes from.
    pub seed: u64,
    /// Sizes of pools.
    pub keys: Vec<usize>,
    /// Contributors; by default a tenth fewer than keys.
    pub contributors: Option<usize>,
    /// Demand as shares of the aggregate quota.
    pub loads: Vec<f64>,
    /// Days that are measured.
    pub days: u32,
    /// Worlds.
    pub scenarios: Vec<Scenario>,
    /// Policies.
    pub policies: Vec<Kind>,
}

/// How a policy did in a world.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Ours is `potluck`.
    pub policy: Kind,
    /// The world.
    pub scenario: Scenario,
    /// Demand as a share of the aggregate quota.
    pub load: f64,
    /// Keys of the pool.
    pub keys: usize,
    /// Calls served over those that the oracle serves.
    pub goodput_ratio: f64,
    /// Attempts that met a spent quota after the key's first day on the model, by call served.
    pub refusals_per_served: f64,
    /// Calls that failed though there was quota that they could have had.
    pub failures_while_quota: u64,
    /// Calls served over what the own keys alone would have served, of whom it is least.
    pub worst_contributor_ratio: f64,
    /// Attempts by call for which Google was asked at all.
    pub attempts_per_call: f64,
    /// Calls made in measured days.
    pub calls: u64,
    /// Calls served.
    pub served: u64,
    /// Calls that the oracle serves.
    pub oracle_served: u64,
    /// The oracle's worst contributor.
    pub oracle_worst: f64,
    /// Good keys held for dead when it was looked.
    pub good_lost: u64,
    /// Keys held for good a minute after Google said that they are dead.
    pub dead_kept: u64,
    /// Contributors.
    pub contributors: usize,
    /// Where chance came from.
    pub seed: u64,
}

/// Makes all rows, two worlds at a time; their order and figures do not depend on that.
pub fn study(plan: &Plan) -> Vec<Row> {
    let worlds: Vec<(Scenario, Size)> = worlds(plan);
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(vec![Vec::new(); worlds.len()]));
    let work = || {
        while let Some((scenario, size)) = worlds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let at = worlds.iter().position(|one| std::ptr::eq(&one.1, size));
            let made = rows_of(*scenario, *size, &plan.policies);
            if let (Some(at), Ok(mut rows)) = (at, rows.lock()) {
                rows[at] = made;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    rows.into_inner().unwrap_or_default().into_iter().flatten().collect()
}

fn worlds(plan: &Plan) -> Vec<(Scenario, Size)> {
    let mut worlds = Vec::new();
    for scenario in &plan.scenarios {
        for keys in &plan.keys {
            for load in &plan.loads {
                let (keys, load, days) = (*keys, *load, plan.days);
                let size =
                    Size { keys, contributors: plan.contributors, load, days, seed: plan.seed };
                worlds.push((*scenario, size));
            }
        }
    }
    worlds
}

/// The rows of one world.
pub fn rows_of(scenario: Scenario, size: Size, policies: &[Kind]) -> Vec<Row> {
    let world = build(scenario, size);
    let best = oracle::served(&world);
    let compared =
        policies.iter().filter(|policy| **policy == Kind::Potluck || scenario.is_for_all());
    let row = |policy: &Kind| {
        let tally = run::run(&world, &mut *policy.policy(&world));
        row(&world, *policy, &tally, &best)
    };
    compared.map(row).collect()
}

fn row(world: &World, policy: Kind, tally: &Tally, best: &[[u64; QUOTAS]]) -> Row {
    let oracle_served = best.iter().flatten().sum();
    Row {
        policy,
        scenario: world.scenario,
        load: world.load,
        keys: world.good_keys,
        goodput_ratio: ratio(tally.served, oracle_served),
        refusals_per_served: ratio(tally.refusals, tally.served),
        failures_while_quota: tally.failures_while_quota,
        worst_contributor_ratio: worst(world, &tally.served_by),
        attempts_per_call: ratio(tally.attempts, tally.tried),
        calls: tally.calls,
        served: tally.served,
        oracle_served,
        oracle_worst: worst(world, best),
        good_lost: tally.good_lost,
        dead_kept: tally.dead_kept,
        contributors: world.contributors.len(),
        seed: world.seed,
    }
}

/// Of all contributors and quotas with enough calls to tell.
fn worst(world: &World, served_by: &[[u64; QUOTAS]]) -> f64 {
    let alone = world.contributors.iter().flat_map(|contributor| contributor.alone);
    let pairs = alone.zip(served_by.iter().flatten());
    let enough = pairs.filter(|(alone, _)| *alone >= ENOUGH);
    enough.map(|(alone, served)| ratio(*served, alone)).fold(f64::INFINITY, f64::min).min(MOST)
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The table for people.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "scenario   keys load policy               goodput  refusals  failures  worst  attempts\n",
    );
    for row in rows {
        let (scenario, policy) = (row.scenario.name(), row.policy.name());
        text += &format!(
            "{scenario:10} {:4} {:4.1} {policy:20} {:7.4} {:9.4} {:9} {:6.3} {:9.3}{}\n",
            row.keys,
            row.load,
            row.goodput_ratio,
            row.refusals_per_served,
            row.failures_while_quota,
            row.worst_contributor_ratio,
            row.attempts_per_call,
            lost(row),
        );
    }
    text
}

fn lost(row: &Row) -> String {
    match (row.good_lost, row.dead_kept) {
        (0, 0) => String::new(),
        (lost, kept) => format!("  good keys lost {lost}, dead kept {kept}"),
    }
}

/// Worlds at a time.
const THREADS: usize = 2;
/// Calls that the own keys alone would have served, from which on a ratio says something.
const ENOUGH: u64 = 20;
/// Ratios beyond this say no more; and whoever has nobody to compare has no infinity in JSON.
const MOST: f64 = 99.0;
