//! The store's statements, each bound to the data it is for, as D1 takes them.
//!
//! Rule: the texts are those of `potluck-store`; here is only what each parameter is. D1 takes
//! JavaScript's values: every number is a float, exact up to 2^53, and there are no booleans.

use potluck_core::KeyId;
use potluck_edition::orders::Order;
use potluck_store::rows::{
    Cooldown, KeyRow, KeyState, Learned, Limits, Quota, RowId, Sweep, Tombstone, Usage, UsageTotal,
    UseOf,
};
use potluck_store::{StoreError, sql};
use serde_json::json;

use crate::line::AddedSaid;

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// A whole number within ±[`sql::LARGEST`].
    Number(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// One statement with its parameters, in the order of their numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text, out of [`sql`].
    pub sql: &'static str,
    /// ?1, ?2, …
    pub values: Vec<Value>,
}

/// All that is ordered, in its order; but what can be carried out together with others of its kind
/// is one statement behind all others: an erased key has no use to add to, and nothing learned.
pub fn orders(orders: &[Order]) -> Result<Vec<Statement>, StoreError> {
    let (mut all, mut usage) = (Vec::new(), Vec::new());
    let (mut learned, mut quotas) = (Vec::new(), Vec::new());
    for one in orders {
        match one {
            Order::Usage(one) => usage.push(one),
            Order::Learned(one) => learned.push(one),
            Order::Quota(one) => quotas.push(one),
            other => all.extend(order(other)?),
        }
    }
    if !usage.is_empty() {
        all.extend(add_usage(usage));
    }
    if !learned.is_empty() {
        all.extend(set_learned(learned));
    }
    if !quotas.is_empty() {
        all.extend(set_quotas(quotas));
    }
    Ok(all)
}

fn order(order: &Order) -> Result<Vec<Statement>, StoreError> {
    Ok(match order {
        Order::State(id, state, at) => set_state(*id, state, *at),
        Order::Cooldowns(id, cooldowns) => set_cooldowns(*id, cooldowns),
        Order::Limits(id, limits) => return set_limits(*id, limits),
        Order::Usage(usage) => add_usage([usage]),
        Order::Learned(learned) => set_learned([learned]),
        Order::Quota(quota) => set_quotas([quota]),
        Order::Withdraw(id, tombstone) => withdraw(*id, *tombstone),
        Order::Lift(tombstone) => lift(*tombstone),
        Order::Erase(id) => erase(*id),
    })
}

/// Adds a key, then looks for its tombstone: [`crate::rows::inserted`] reads both answers.
pub fn insert(row: &KeyRow, tombstone: &RowId) -> Result<Vec<Statement>, StoreError> {
    let (state, reason) = spelled(&row.state);
    let limits = &row.limits;
    let key = vec![
        row.id.into(),
        row.sealed.as_bytes().into(),
        row.joined_at.into(),
        state.into(),
        reason.into(),
        row.changed_at.into(),
        limits.paused.into(),
        limits.borrow.into(),
        limits.lend_per_day.into(),
        models(limits)?,
        (*tombstone).into(),
    ];
    Ok(vec![of(sql::INSERT_KEY, key), of(sql::FIND_TOMBSTONE, vec![(*tombstone).into()])])
}

/// Adds new keys, then looks for their tombstones: [`crate::rows::added`] reads both answers.
pub fn insert_all(rows: &[AddedSaid], at: i64) -> Vec<Statement> {
    let row = |row: &AddedSaid| {
        json!([hex::encode(row.id), hex::encode(&row.sealed), hex::encode(row.tombstone)])
    };
    let rows = list(rows.iter().map(row));
    vec![of(sql::INSERT_KEYS, vec![rows.clone(), at.into()]), of(sql::FIND_TOMBSTONES, vec![rows])]
}

/// Sets a key's state.
pub fn set_state(id: RowId, state: &KeyState, at: i64) -> Vec<Statement> {
    let (state, reason) = spelled(state);
    vec![of(sql::SET_STATE, vec![id.into(), state.into(), reason.into(), at.into()])]
}

/// Sets what a contributor allows.
pub fn set_limits(id: RowId, limits: &Limits) -> Result<Vec<Statement>, StoreError> {
    let Limits { paused, borrow, lend_per_day, .. } = *limits;
    let values =
        vec![id.into(), paused.into(), borrow.into(), lend_per_day.into(), models(limits)?];
    Ok(vec![of(sql::SET_LIMITS, values)])
}

/// Forgets a key's rests, then puts these.
pub fn set_cooldowns(id: RowId, cooldowns: &[Cooldown]) -> Vec<Statement> {
    let forget = of(sql::FORGET_COOLDOWNS, vec![id.into()]);
    let own = cooldowns.iter().filter(|rest| rest.key == id);
    let put = own.map(|Cooldown { key, scope, until, why }| {
        let values = vec![(*key).into(), text(scope), (*until).into(), text(why)];
        of(sql::PUT_COOLDOWN, values)
    });
    std::iter::once(forget).chain(put).collect()
}

/// Adds to what was lent and borrowed, all of it in one statement: D1 asks a price for each.
pub fn add_usage<'u>(usage: impl IntoIterator<Item = &'u Usage>) -> Vec<Statement> {
    let row = |Usage { key, day, model, amount }: &Usage| {
        let mut row = vec![json!(hex::encode(key)), json!(day), json!(model)];
        row.extend(amounts(amount).map(|count| json!(count)));
        json!(row)
    };
    let values = vec![list(usage.into_iter().map(row)), bounded(sql::LARGEST)];
    vec![of(sql::ADD_USAGES, values)]
}

/// Reads use by days.
pub fn usage(since_day: u32, of: UseOf) -> Vec<Statement> {
    let since_day = Value::from(since_day.max(1));
    vec![match of {
        UseOf::Key(id) => self::of(sql::USAGE_OF, vec![since_day, id.into()]),
        UseOf::Each { most } => self::of(sql::USAGE_OF_EACH, vec![since_day, most.into()]),
        UseOf::All => self::of(sql::USAGE_OF_ALL, vec![since_day, bounded(sql::LARGEST)]),
    }]
}

/// Sets what was learned of keys, all of it in one statement.
pub fn set_learned<'l>(learned: impl IntoIterator<Item = &'l Learned>) -> Vec<Statement> {
    let row = |Learned { key, day, facts }: &Learned| json!([hex::encode(key), day, facts]);
    vec![of(sql::PUT_ALL_LEARNED, vec![list(learned.into_iter().map(row))])]
}

/// Sets what was learned of quotas, all of it in one statement.
pub fn set_quotas<'q>(quotas: impl IntoIterator<Item = &'q Quota>) -> Vec<Statement> {
    let row = |Quota { part, scope, day, facts }: &Quota| json!([part, scope, day, facts]);
    vec![of(sql::PUT_ALL_QUOTAS, vec![list(quotas.into_iter().map(row))])]
}

/// Leaves a tombstone, then erases the key.
pub fn withdraw(id: RowId, tombstone: Tombstone) -> Vec<Statement> {
    let bury = vec![id.into(), tombstone.id.into(), tombstone.at.into()];
    vec![of(sql::BURY, bury), of(sql::ERASE_KEY, vec![id.into()])]
}

/// Erases a key.
pub fn erase(id: RowId) -> Vec<Statement> {
    vec![of(sql::ERASE_KEY, vec![id.into()])]
}

/// Erases keys without a trace.
pub fn erase_all(ids: &[KeyId]) -> Vec<Statement> {
    let ids = ids.iter().map(|id| json!(hex::encode(id.0)));
    vec![of(sql::ERASE_KEYS, vec![list(ids)])]
}

/// Takes a tombstone away.
pub fn lift(tombstone: RowId) -> Vec<Statement> {
    vec![of(sql::LIFT, vec![tombstone.into()])]
}

/// Sums up old days and drops them, forgets what was learned as long ago, then erases keys disabled
/// too long ago and names them.
pub fn sweep(sweep: Sweep) -> Vec<Statement> {
    let keys = vec![sweep.disabled_before.into(), sql::SWEEP_KEYS_AT_MOST.into()];
    vec![
        of(sql::SUM_DAYS, vec![sweep.days_before.into(), bounded(sql::LARGEST)]),
        of(sql::DROP_DAYS, vec![sweep.days_before.into()]),
        of(sql::FORGET_LEARNED, vec![sweep.days_before.into()]),
        of(sql::FORGET_QUOTAS, vec![sweep.days_before.into()]),
        of(sql::SWEEP_KEYS, keys),
    ]
}

/// Reads everything: [`crate::rows::snapshot`] reads the eight answers.
pub fn load(since_day: u32) -> Vec<Statement> {
    vec![
        of(sql::ALL_KEYS, vec![]),
        of(sql::ALL_COOLDOWNS, vec![]),
        of(sql::USAGE_SINCE, vec![since_day.max(1).into()]),
        of(sql::USAGE_TOTALS, vec![bounded(sql::LARGEST)]),
        of(sql::ALL_TOMBSTONES, vec![]),
        of(sql::ALL_LEARNED, vec![]),
        of(sql::ALL_QUOTAS, vec![]),
        of(sql::ALL_BARRED, vec![]),
    ]
}

/// Reads the vault's check value.
pub fn read_check() -> Vec<Statement> {
    vec![of(sql::READ_CHECK, vec![])]
}

/// Writes the vault's check value.
pub fn write_check(check: &[u8]) -> Vec<Statement> {
    vec![of(sql::WRITE_CHECK, vec![check.into()])]
}

/// Whether there is a record of migrations: one row or none.
pub fn find_record() -> Vec<Statement> {
    vec![of(FIND_RECORD, vec![])]
}

/// The record of migrations, in the order of names; whoever wrote it, with the columns it has.
pub fn read_record() -> Vec<Statement> {
    vec![of(READ_RECORD, vec![])]
}

const FIND_RECORD: &str =
    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'";
const READ_RECORD: &str = "SELECT * FROM schema_migrations ORDER BY name";

fn of(sql: &'static str, values: Vec<Value>) -> Statement {
    Statement { sql, values }
}

fn spelled(state: &KeyState) -> (&'static str, Option<&str>) {
    match state {
        KeyState::Active => (sql::ACTIVE, None),
        KeyState::Disabled { reason } => (sql::DISABLED, Some(reason)),
    }
}

fn models(limits: &Limits) -> Result<Value, StoreError> {
    let Some(models) = &limits.lend_models else { return Ok(Value::Null) };
    Limits::join_models(models).map(Value::Text).ok_or(StoreError::Rejected)
}

fn amounts(amount: &UsageTotal) -> [u64; 7] {
    let UsageTotal { lent_calls, lent_tokens, borrowed_calls, borrowed_tokens, .. } = *amount;
    let UsageTotal { own_calls, own_tokens, failed_calls, .. } = *amount;
    let pool = [lent_calls, lent_tokens, borrowed_calls, borrowed_tokens];
    let own = [own_calls, own_tokens, failed_calls];
    let mut all = pool.into_iter().chain(own).map(|count| count.min(sql::LARGEST));
    std::array::from_fn(|_| all.next().unwrap_or_default())
}

/// As a whole number that D1 keeps; see [`sql::LARGEST`].
fn bounded(count: u64) -> Value {
    Value::Number(count.min(sql::LARGEST) as f64)
}

/// Rows as a text that the statement reads.
fn list(rows: impl Iterator<Item = serde_json::Value>) -> Value {
    text(&rows.collect::<serde_json::Value>().to_string())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

impl From<i64> for Value {
    /// Beyond ±2^53 a time is no time, so it may as well stop there.
    fn from(number: i64) -> Value {
        let largest = sql::LARGEST as i64;
        Value::Number(number.clamp(-largest, largest) as f64)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value::Number(f64::from(number))
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Value {
        Value::Number(f64::from(u8::from(yes)))
    }
}

impl From<&str> for Value {
    fn from(words: &str) -> Value {
        text(words)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Value {
        Value::Blob(bytes.to_vec())
    }
}

impl From<RowId> for Value {
    fn from(id: RowId) -> Value {
        Value::Blob(id.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use potluck_vault::Sealed;

    use super::*;

    const ID: RowId = [7; 16];

    #[test]
    fn every_parameter_of_every_statement_has_a_value() {
        for Statement { sql, values } in every() {
            let named: std::collections::BTreeSet<usize> = sql
                .split('?')
                .skip(1)
                .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap())
                .map(|digits| digits.parse().unwrap())
                .collect();
            let given: std::collections::BTreeSet<usize> = (1..=values.len()).collect();
            assert_eq!(named, given, "{sql}");
        }
    }

    #[test]
    fn numbers_stop_where_d1_would_lose_digits() {
        let largest = Value::Number(9_007_199_254_740_991.0);
        assert_eq!(Value::from(i64::MAX), largest);
        assert_eq!(Value::from(i64::MIN), Value::Number(-9_007_199_254_740_991.0));
        assert_eq!(bounded(u64::MAX), largest);
    }

    #[test]
    fn what_is_ordered_together_goes_together_and_in_order() {
        let tombstone = Tombstone { id: [8; 16], at: 1 };
        let batch = orders(&[Order::Withdraw(ID, tombstone), Order::Lift([8; 16])]).unwrap();
        let texts: Vec<_> = batch.iter().map(|statement| statement.sql).collect();
        assert_eq!(texts, [sql::BURY, sql::ERASE_KEY, sql::LIFT]);
    }

    #[test]
    fn what_is_told_of_many_keys_is_one_statement_a_kind_and_behind_all_else() {
        let learned = |n| Order::Learned(Learned { key: [n; 16], day: 1, facts: "x".into() });
        let used = |n| {
            let (model, amount) = (String::new(), UsageTotal::default());
            Order::Usage(Usage { key: [n; 16], day: 1, model, amount })
        };
        let all = [learned(1), used(1), learned(2), Order::Erase(ID), used(2)];
        let batch = orders(&all).unwrap();
        let texts: Vec<_> = batch.iter().map(|statement| statement.sql).collect();
        assert_eq!(texts, [sql::ERASE_KEY, sql::ADD_USAGES, sql::PUT_ALL_LEARNED]);
    }

    #[test]
    fn a_models_name_that_breaks_a_line_is_refused() {
        let lend_models = Some(vec!["two\nnames".to_owned()]);
        let limits = Limits { lend_models, ..Limits::default() };
        assert_eq!(set_limits(ID, &limits), Err(StoreError::Rejected));
    }

    fn every() -> Vec<Statement> {
        let row = KeyRow::new(ID, Sealed::from_bytes(vec![1; 60]), 1);
        let rest = Cooldown { key: ID, scope: "all".into(), until: 1, why: "day".into() };
        let used = Usage { key: ID, day: 1, model: "".into(), amount: UsageTotal::default() };
        [
            insert(&row, &ID).unwrap(),
            insert_all(&[AddedSaid { line: 1, id: ID, tombstone: ID, sealed: vec![1] }], 1),
            set_state(ID, &KeyState::Active, 1),
            set_limits(ID, &Limits::default()).unwrap(),
            set_cooldowns(ID, &[rest]),
            add_usage(&[used]),
            set_learned(&[Learned { key: ID, day: 1, facts: "x".into() }]),
            set_quotas(&[Quota { part: 0, scope: "all".into(), day: 1, facts: "x".into() }]),
            withdraw(ID, Tombstone { id: ID, at: 1 }),
            erase(ID),
            erase_all(&[KeyId(ID)]),
            lift(ID),
            sweep(Sweep { disabled_before: 1, days_before: 1 }),
            load(1),
            read_check(),
            write_check(&[1]),
            find_record(),
            read_record(),
        ]
        .concat()
    }
}
