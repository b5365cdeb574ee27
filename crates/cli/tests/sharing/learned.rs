//! What was learned of quotas outlives a restart.

use gemini_sim::{Limits, Sim};

use crate::common::serving::{MODEL, Potluck, generate, key, sim};
use crate::shares;

const A_DAY: usize = 20;

/// Calls that the caller's own key serves, and which Google did not refuse.
fn own(potluck: &Potluck, number: usize, calls: usize) -> usize {
    let call = generate(&key(number), "x").header("x-potluck-route", "own");
    (0..calls).filter(|_| potluck.ask(call.clone()).status == 200).count()
}

fn refused(sim: &Sim) -> u64 {
    sim.counters().by_status.get(&429).copied().unwrap_or(0)
}

#[test]
fn after_a_restart_no_quota_is_met_that_was_spent_before() {
    let sim = sim(2);
    for project in 1..=2 {
        let limits = Limits { rpd: Some(A_DAY as u64), ..Limits::NONE };
        sim.set_limits(project, MODEL, limits);
    }
    let mut potluck = Potluck::joined(&sim, 2);
    // One key's day is spent, and Google has said so; half of the other's is. One call was each
    // key's first.
    assert_eq!(own(&potluck, 1, A_DAY), A_DAY - 1);
    assert_eq!(own(&potluck, 2, A_DAY / 2 - 1), A_DAY / 2 - 1);
    sim.clear_log();

    potluck.restart();

    for _ in 0..A_DAY / 2 {
        assert_eq!(potluck.generate(&key(2), "x").status, 200);
    }
    assert_eq!(refused(&sim), 0, "each key's limit is known, and what of it was spent");
    assert_eq!(shares(&sim, 2), [0, A_DAY as u64 / 2]);
}

#[test]
fn of_a_withdrawn_key_nothing_is_remembered() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    (0..4).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200));
    let withdrawn = crate::common::raw::Ask::new("DELETE", "/pool/me");
    let withdrawn = potluck.ask(withdrawn.header("x-goog-api-key", &key(2)));
    assert_eq!(withdrawn.status, 204, "{withdrawn:?}");

    potluck.signal("-TERM");
    let mut potluck = potluck;
    assert_eq!(potluck.end(), Some(0));

    let database = rusqlite::Connection::open(potluck.data().join("potluck.db")).unwrap();
    let count = |of: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {of}");
        database.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("learned"), count("quotas"), count("keys")), (1, 1, 1));
}
