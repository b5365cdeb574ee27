//! The pool, in as many parts as the operator wants.
//!
//! Why: a decision takes less than a microsecond, but a lock is one thread's at a time, so that on
//! a machine with many processors all of them would wait for one. Rule: a key lives in the part
//! that its hash says, and so does all that is known of its bearer; a call begins there, and only
//! where nothing is left for it others are asked. One part is a pool like any other.

use parking_lot::{Mutex, MutexGuard};
use potluck_core::{
    Call, Census, Exchange, Guest, KeyId, Metrics, Now, Pool, Seek, Spill, Step, Summary,
};

use crate::lent::Lent;

/// All parts of the pool.
pub struct Pools {
    parts: Box<[Part]>,
    /// Which parts have nothing for others' callers.
    spill: Mutex<Spill>,
    /// Tombstones as they were stored: every part has all of them, as none says whose it is.
    tombstones: u64,
}

/// No two parts share a line of memory, or threads would wait for each other's writes.
#[repr(align(128))]
struct Part(Mutex<Pool<Lent>>);

/// Which part of the pool.
pub type PartNumber = u8;

/// An exchange that began in another part than its bearer's.
pub struct Elsewhere {
    /// The part.
    pub part: PartNumber,
    /// The exchange there.
    pub exchange: Exchange,
    /// Its first step.
    pub step: Step<Lent>,
}

impl Pools {
    /// A pool of these parts, one at least.
    pub fn new(parts: Vec<Pool<Lent>>) -> Pools {
        let tombstones = parts.first().map_or(0, |part| part.metrics().tombstones);
        let parts = parts.into_iter().map(|pool| Part(Mutex::new(pool))).collect();
        Pools { parts, spill: Mutex::default(), tombstones }
    }

    /// How many parts there are.
    pub fn count(&self) -> PartNumber {
        self.parts.len() as PartNumber
    }

    /// Where a bearer is at home; nobody's home is the first.
    pub fn home(&self, bearer: Option<KeyId>) -> PartNumber {
        bearer.map_or(0, |id| home(id, self.count()))
    }

    /// A part, for one decision.
    pub fn at(&self, part: PartNumber) -> MutexGuard<'_, Pool<Lent>> {
        self.parts[usize::from(part)].0.lock()
    }

    /// The part in which a bearer is at home, for one decision.
    pub fn of(&self, bearer: KeyId) -> MutexGuard<'_, Pool<Lent>> {
        self.at(self.home(Some(bearer)))
    }

    /// Every part in turn, each let go before the next.
    pub fn all(&self) -> impl Iterator<Item = MutexGuard<'_, Pool<Lent>>> {
        self.parts.iter().map(|part| part.0.lock())
    }

    /// Keys that can serve now or after a cooldown.
    pub fn key_count(&self) -> usize {
        self.all().map(|pool| pool.key_count()).sum()
    }

    /// The public summary of all parts.
    pub fn summary(&self, now: Now) -> Summary {
        let mut all = Summary::default();
        self.all().for_each(|pool| all += pool.summary(now));
        all
    }

    /// Keys by state.
    pub fn census(&self) -> Census {
        let mut all = Census::default();
        self.all().for_each(|pool| all += pool.census());
        all
    }

    /// The counters of all parts.
    pub fn metrics(&self) -> Metrics {
        let mut all = Metrics::default();
        self.all().for_each(|pool| all += pool.metrics());
        let told_again = self.tombstones * u64::from(self.count().saturating_sub(1));
        all.tombstones = all.tombstones.saturating_sub(told_again);
        all
    }

    /// Looks for a part that serves a bearer for whom nothing is left at home.
    pub fn elsewhere(&self, call: Call<'_>, guest: Guest, now: Now) -> Option<Elsewhere> {
        let (parts, home) = (self.count(), self.home(call.bearer));
        let seek = Seek {
            parts,
            home,
            model: call.model.unwrap_or(""),
            family: call.family,
            metered: call.metered,
            guest,
        };
        let call = Call { guest: Some(guest), ..call };
        let mut asked = Vec::new();
        loop {
            let part = self.spill.lock().next(seek, &asked, now.mono)?;
            asked.push(part);
            let mut pool = self.at(part);
            let mut exchange = pool.begin(call, now);
            match pool.next(&mut exchange, now) {
                Step::Refuse(refusal) => {
                    pool.pass_on(exchange, now);
                    drop(pool);
                    self.spill.lock().refused(part, seek, refusal, now.mono);
                }
                step => {
                    drop(pool);
                    self.spill.lock().served(part, seek);
                    return Some(Elsewhere { part, exchange, step });
                }
            }
        }
    }
}

/// The part of so many in which a key lives. The same at every start: nothing else decides it.
pub fn home(id: KeyId, parts: PartNumber) -> PartNumber {
    id.0[0] % parts.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::{Config, Tombstone};

    #[test]
    fn a_key_is_at_home_in_one_part_and_nobody_in_the_first() {
        assert_eq!(home(KeyId([255; 16]), 1), 0);
        assert_eq!(home(KeyId([6; 16]), 4), 2);
        let pools =
            Pools::new(vec![Pool::new(Config::default(), 1), Pool::new(Config::default(), 2)]);
        assert_eq!((pools.home(None), pools.home(Some(KeyId([3; 16])))), (0, 1));
    }

    #[test]
    fn a_tombstone_that_every_part_has_is_counted_once() {
        let part = |seed| {
            let mut pool: Pool<Lent> = Pool::new(Config::default(), seed);
            pool.restore_tombstone(Tombstone([9; 16]));
            pool
        };
        let pools = Pools::new((0..4).map(part).collect());
        assert_eq!(pools.metrics().tombstones, 1);
        pools.at(2).restore_tombstone(Tombstone([8; 16]));
        assert_eq!(pools.metrics().tombstones, 2);
    }
}
