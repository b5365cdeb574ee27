//! What each contributor's own keys alone would have served.
//!
//! Rule: nobody is worse off for joining than somebody who has the same keys, makes the same calls
//! and tries each of the own keys once, the shown one first. Who that is, is no policy's business:
//! it is counted here, before any policy runs.

use gemini_sim::quota::{Bucket, Window};

use crate::world::{Change, QUOTAS, World};

/// Marks the entitled calls, and counts them by contributor.
pub fn entitle(world: &mut World) {
    let mut own = Own::new(world);
    let mut asks = std::mem::take(&mut world.asks);
    let mut changes = world.changes.iter().peekable();
    for ask in &mut asks {
        while let Some((_, change)) = changes.next_if(|(at, _)| *at <= ask.at) {
            own.change(*change);
        }
        let quota = ask.quota();
        let keys = &world.contributors[ask.contributor as usize].keys;
        let others = keys.iter().copied().filter(|key| *key != ask.key);
        ask.entitled = world.trouble(ask.at).is_none()
            && std::iter::once(ask.key).chain(others).any(|key| {
                own.alive[key as usize]
                    && own.buckets[world.keys[key as usize].project * QUOTAS + quota]
                        .spend(ask.tokens.into(), ask.at)
                        .is_ok()
            });
        if ask.entitled && ask.at >= world.measured_from() {
            world.contributors[ask.contributor as usize].alone[quota] += 1;
        }
    }
    world.asks = asks;
}

/// Every project as if only its own contributor spent it.
struct Own {
    buckets: Vec<Bucket>,
    alive: Vec<bool>,
}

impl Own {
    fn new(world: &World) -> Own {
        let limits = world.projects.iter().flat_map(|project| project.limits);
        Own {
            buckets: limits.map(|limits| Bucket::new(limits, Window::Sliding)).collect(),
            alive: world.keys.iter().map(|key| key.born_alive).collect(),
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Joins(_) => {}
            Change::Dies(key) => self.alive[key as usize] = false,
            Change::Revives(key) => self.alive[key as usize] = true,
        }
    }
}
