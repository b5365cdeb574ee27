//! The pool's words in the store's, and back.

use std::collections::HashMap;

use potluck_core::{
    Cause, CooldownRecord, KeyId, KeyRecord, Limits, Now, Pool, Reason, Scope, State, Usage, Used,
    Wall,
};
use potluck_store as store;

/// Limits for the store.
pub fn limits(limits: &Limits) -> store::Limits {
    let models = limits.lend_models.as_ref();
    store::Limits {
        paused: limits.paused,
        borrow: limits.borrow,
        lend_per_day: limits.lend_per_day,
        lend_models: models.map(|named| named.iter().map(|name| name.to_string()).collect()),
    }
}

/// Limits from the store.
fn stored_limits(limits: store::Limits) -> Limits {
    let models = limits.lend_models;
    Limits {
        paused: limits.paused,
        borrow: limits.borrow,
        lend_per_day: limits.lend_per_day,
        lend_models: models.map(|named| named.into_iter().map(Into::into).collect()),
    }
}

/// What a snapshot holds besides its keys, by key.
pub struct Found {
    cooldowns: HashMap<store::RowId, Vec<CooldownRecord>>,
    totals: HashMap<store::RowId, store::UsageTotal>,
    today: HashMap<store::RowId, u64>,
    learned: HashMap<store::RowId, Box<str>>,
}

impl Found {
    /// Sorts a snapshot that was read from the present day on.
    pub fn of(snapshot: &store::Snapshot) -> Found {
        let mut cooldowns: HashMap<_, Vec<_>> = HashMap::new();
        for row in &snapshot.cooldowns {
            cooldowns.entry(row.key).or_default().extend(stored_cooldown(row));
        }
        let mut today = HashMap::new();
        for row in &snapshot.usage {
            *today.entry(row.key).or_default() += row.amount.lent_calls;
        }
        let totals = snapshot.totals.iter().copied().collect();
        let learned = snapshot.learned.iter().map(|row| (row.key, row.facts.as_str().into()));
        Found { cooldowns, totals, today, learned: learned.collect() }
    }

    /// A key as the pool knows it; `day_end` is the end of the present day.
    pub fn record(&self, row: &store::KeyRow, day_end: Wall) -> KeyRecord {
        let cooldowns = self.cooldowns.get(&row.id).cloned().unwrap_or_default();
        let total = self.totals.get(&row.id).copied().unwrap_or_default();
        let today = self.today.get(&row.id).copied().unwrap_or_default();
        let learned = self.learned.get(&row.id).cloned().unwrap_or_default();
        KeyRecord { learned, ..record(row, cooldowns, total, today, day_end) }
    }
}

/// Has a pool know what its part of it learned of quotas: before its keys are restored.
pub fn restore_quotas<S: Clone>(
    pool: &mut Pool<S>,
    snapshot: &store::Snapshot,
    part: u8,
    now: Now,
) {
    for quota in snapshot.quotas.iter().filter(|quota| quota.part == part) {
        pool.restore_quota(&quota.scope, &quota.facts, now);
    }
}

/// `today` is what was lent on the day that ends at `day_end`.
fn record(
    row: &store::KeyRow,
    cooldowns: Vec<CooldownRecord>,
    total: store::UsageTotal,
    today: u64,
    day_end: Wall,
) -> KeyRecord {
    KeyRecord {
        id: KeyId(row.id),
        added: Wall(row.joined_at),
        limits: stored_limits(row.limits.clone()),
        state: state(&row.state, row.changed_at),
        cooldowns,
        usage: Usage {
            lent_calls: total.lent_calls,
            lent_tokens: total.lent_tokens,
            borrowed_calls: total.borrowed_calls,
            borrowed_tokens: total.borrowed_tokens,
            own_calls: total.own_calls,
            own_tokens: total.own_tokens,
            lent_today: u32::try_from(today).unwrap_or(u32::MAX),
            day_end,
        },
        learned: Box::default(),
    }
}

/// A key that has just come, as the pool knows it.
pub fn fresh(id: KeyId, now: Wall) -> KeyRecord {
    KeyRecord {
        id,
        added: now,
        limits: Limits::default(),
        state: State::Active,
        cooldowns: Vec::new(),
        usage: Usage::default(),
        learned: Box::default(),
    }
}

/// What was used, for the store.
pub fn used(used: &Used) -> store::Usage {
    let amount = &used.amount;
    store::Usage {
        key: used.id.0,
        day: day_ending(used.day_end),
        model: used.model.to_string(),
        amount: store::UsageTotal {
            lent_calls: amount.lent_calls,
            lent_tokens: amount.lent_tokens,
            borrowed_calls: amount.borrowed_calls,
            borrowed_tokens: amount.borrowed_tokens,
            own_calls: amount.own_calls,
            own_tokens: amount.own_tokens,
            failed_calls: amount.failed_calls,
        },
    }
}

/// A cooldown for the store.
pub fn cooldown(key: store::RowId, rest: &CooldownRecord) -> store::Cooldown {
    let (scope, why) = (rest.scope.to_string(), rest.cause.name().to_owned());
    store::Cooldown { key, scope, until: rest.until.0, why }
}

/// A cooldown from the store; none where a newer version wrote what this one does not know.
fn stored_cooldown(row: &store::Cooldown) -> Option<CooldownRecord> {
    let (scope, cause) = (Scope::parse(&row.scope)?, Cause::parse(&row.why)?);
    Some(CooldownRecord { scope, cause, until: Wall(row.until) })
}

/// The number of Google's day that ends then: days since 1970 at its last noon in UTC, which falls
/// into the same date as the day has in California.
pub fn day_ending(end: Wall) -> u32 {
    const HALF_A_DAY: i64 = 12 * 3600 * 1000;
    const DAY: i64 = 2 * HALF_A_DAY;
    u32::try_from((end.0 - HALF_A_DAY).div_euclid(DAY)).unwrap_or(1).max(1)
}

fn state(state: &store::KeyState, at: i64) -> State {
    match state {
        store::KeyState::Active => State::Active,
        store::KeyState::Disabled { reason } => {
            // A reason of a newer version's keeps the key out all the same; its next use asks Google.
            let reason = Reason::parse(reason).unwrap_or(Reason::Invalid);
            State::Disabled { reason, since: Wall(at) }
        }
    }
}
