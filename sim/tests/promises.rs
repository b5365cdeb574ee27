//! What the simulator promises, and what it proves of the core.
#![allow(clippy::unwrap_used, missing_docs)]

use sim::{
    check,
    policy::Kind,
    study::{Row, rows_of},
    world::{Scenario, Size},
};

fn size(keys: usize, load: f64) -> Size {
    Size { keys, contributors: None, load, days: 2, seed: 11 }
}

fn potluck(scenario: Scenario, keys: usize, load: f64) -> Row {
    rows_of(scenario, size(keys, load), &[Kind::Potluck]).remove(0)
}

#[test]
fn a_million_steps_keep_every_promise() {
    let steps = 1_000_000;
    match check::check(1, steps) {
        Ok(done) => assert_eq!(done, steps),
        Err(broken) => panic!("{broken:#?}"),
    }
}

#[test]
fn the_same_seed_gives_the_same_figures_and_another_does_not() {
    let rows = |seed| {
        let size = Size { seed, ..size(10, 1.0) };
        rows_of(Scenario::Churn, size, &Kind::ALL)
    };
    assert_eq!(rows(3), rows(3));
    assert_ne!(rows(3), rows(4));
}

#[test]
fn the_oracle_leaves_nobody_worse_off() {
    for scenario in Scenario::ALL {
        for load in [0.5, 1.0, 1.5] {
            let size = Size { days: 7, ..size(20, load) };
            let row = &rows_of(scenario, size, &[Kind::Potluck])[0];
            // Of the smallest quota's few dozen calls one is a few hundredths.
            assert!(row.oracle_worst >= 0.95, "{scenario:?} {load}: {}", row.oracle_worst);
        }
    }
}

#[test]
fn below_its_quota_a_pool_serves_every_call() {
    let row = potluck(Scenario::Mixed, 20, 0.5);
    assert_eq!(row.served, row.calls);
}

#[test]
fn an_outage_costs_no_key() {
    let row = potluck(Scenario::Outage, 20, 0.9);
    assert_eq!((row.good_lost, row.dead_kept), (0, 0), "{row:#?}");
}
