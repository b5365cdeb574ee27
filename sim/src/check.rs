//! The core's promises, checked after every step of random scripts.
//!
//! Rule: a script is a list of plain steps that mean something in any state, so that it can be cut
//! anywhere. So a failure is shown as its seed and the shortest script found that still fails.

mod answer;
mod script;
mod shrink;
mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::rng::Rng;

pub use answer::Reply;
pub use script::Step;
pub use shrink::shrink;

/// A promise that was broken.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The script's own seed.
    pub seed: u64,
    /// What was found.
    pub why: String,
    /// The shortest script found that breaks a promise.
    pub script: Vec<Step>,
}

/// Runs random scripts of so many steps in all; says how many it were, or what was broken.
///
/// # Errors
/// The first promise that was broken.
pub fn check(seed: u64, steps: usize) -> Result<usize, Box<Broken>> {
    let mut done = 0;
    for number in 0.. {
        if done >= steps {
            break;
        }
        let own = Rng::of(seed, number).bits();
        let script = script::draw(own, LENGTH.min(steps - done));
        done += script.len();
        let played = play(own, &script, false);
        if played.why.is_some() {
            return Err(Box::new(explain(own, played)));
        }
    }
    Ok(done)
}

fn explain(seed: u64, played: Played) -> Broken {
    let script = shrink(played.steps, |script| play(seed, script, true).why.is_some());
    let why = play(seed, &script, true).why.or(played.why).unwrap_or_default();
    Broken { seed, why, script }
}

/// How a script went.
struct Played {
    /// The steps made, each with the name of the exchange that it moved.
    steps: Vec<Step>,
    /// The promise that was broken by the last one.
    why: Option<String>,
}

/// Plays a script with a new pool, to its end or to the first promise that is broken.
fn play(seed: u64, script: &[Step], by_name: bool) -> Played {
    let mut table = table::Table::new(seed, by_name);
    let mut steps = Vec::with_capacity(script.len());
    let played = catch_unwind(AssertUnwindSafe(|| {
        for step in script {
            let step = table.named(*step);
            steps.push(step);
            table.step(step)?;
        }
        table.close()
    }));
    let result = played.unwrap_or_else(|_| Err("the core panicked".to_owned()));
    Played { steps, why: result.err() }
}

/// Steps of one script: enough for days to pass in it.
const LENGTH: usize = 2_000;
