//! The writing statements, each bound to the data it is for.

use rusqlite::{Connection, ToSql, params};

use crate::rows::{
    Cooldown, KeyRow, KeyState, Learned, Limits, Quota, RowId, Sweep, Swept, Tombstone, Usage,
};
use crate::{Inserted, sql};

pub(super) fn insert(
    conn: &Connection,
    row: &KeyRow,
    tombstone: &RowId,
) -> rusqlite::Result<Inserted> {
    let (state, reason) = spelled(&row.state);
    let limits = &row.limits;
    let added = conn.prepare_cached(sql::INSERT_KEY)?.execute(params![
        row.id,
        row.sealed.as_bytes(),
        row.joined_at,
        state,
        reason,
        row.changed_at,
        limits.paused,
        limits.borrow,
        limits.lend_per_day,
        models(limits)?,
        tombstone,
    ])?;
    if added > 0 {
        Ok(Inserted::Stored)
    } else if conn.prepare_cached(sql::FIND_TOMBSTONE)?.exists([tombstone])? {
        Ok(Inserted::Withdrawn)
    } else {
        Ok(Inserted::Already)
    }
}

pub(super) fn set_state(
    conn: &Connection,
    id: &RowId,
    state: &KeyState,
    at: i64,
) -> rusqlite::Result<bool> {
    let (state, reason) = spelled(state);
    changes(conn, sql::SET_STATE, &[id, &state, &reason, &at])
}

pub(super) fn set_limits(conn: &Connection, id: &RowId, limits: &Limits) -> rusqlite::Result<bool> {
    let Limits { paused, borrow, lend_per_day, .. } = limits;
    changes(conn, sql::SET_LIMITS, &[id, paused, borrow, lend_per_day, &models(limits)?])
}

pub(super) fn set_cooldowns(
    conn: &Connection,
    id: &RowId,
    cooldowns: &[Cooldown],
) -> rusqlite::Result<()> {
    changes(conn, sql::FORGET_COOLDOWNS, &[id])?;
    let mut put = conn.prepare_cached(sql::PUT_COOLDOWN)?;
    for Cooldown { key, scope, until, why } in cooldowns.iter().filter(|rest| rest.key == *id) {
        put.execute(params![key, scope, until, why])?;
    }
    Ok(())
}

pub(super) fn add_usage(conn: &Connection, usage: &[Usage]) -> rusqlite::Result<()> {
    let mut add = conn.prepare_cached(sql::ADD_USAGE)?;
    for Usage { key, day, model, amount } in usage {
        add.execute(params![
            key,
            day,
            model,
            bounded(amount.lent_calls),
            bounded(amount.lent_tokens),
            bounded(amount.borrowed_calls),
            bounded(amount.borrowed_tokens),
            bounded(amount.own_calls),
            bounded(amount.own_tokens),
            bounded(amount.failed_calls),
            bounded(sql::LARGEST),
        ])?;
    }
    Ok(())
}

pub(super) fn set_learned(conn: &Connection, learned: &[Learned]) -> rusqlite::Result<()> {
    let mut put = conn.prepare_cached(sql::PUT_LEARNED)?;
    for Learned { key, day, facts } in learned {
        put.execute(params![key, day, facts])?;
    }
    Ok(())
}

pub(super) fn set_quotas(conn: &Connection, quotas: &[Quota]) -> rusqlite::Result<()> {
    let mut put = conn.prepare_cached(sql::PUT_QUOTA)?;
    for Quota { part, scope, day, facts } in quotas {
        put.execute(params![part, scope, day, facts])?;
    }
    Ok(())
}

pub(super) fn withdraw(
    conn: &Connection,
    id: &RowId,
    tombstone: &Tombstone,
) -> rusqlite::Result<bool> {
    changes(conn, sql::BURY, &[id, &tombstone.id, &tombstone.at])?;
    changes(conn, sql::ERASE_KEY, &[id])
}

pub(super) fn erase(conn: &Connection, id: &RowId) -> rusqlite::Result<bool> {
    changes(conn, sql::ERASE_KEY, &[id])
}

pub(super) fn lift(conn: &Connection, tombstone: &RowId) -> rusqlite::Result<bool> {
    changes(conn, sql::LIFT, &[tombstone])
}

pub(super) fn sweep(conn: &Connection, sweep: Sweep) -> rusqlite::Result<Swept> {
    changes(conn, sql::SUM_DAYS, &[&sweep.days_before, &bounded(sql::LARGEST)])?;
    for statement in [sql::DROP_DAYS, sql::FORGET_LEARNED, sql::FORGET_QUOTAS] {
        changes(conn, statement, &[&sweep.days_before])?;
    }
    let at_most = sql::SWEEP_KEYS_AT_MOST;
    let erased = conn
        .prepare_cached(sql::SWEEP_KEYS)?
        .query_map(params![sweep.disabled_before, at_most], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<RowId>>>()?;
    let more = erased.len() == at_most as usize;
    Ok(Swept { erased, more })
}

pub(super) fn changes(
    conn: &Connection,
    statement: &str,
    values: &[&dyn ToSql],
) -> rusqlite::Result<bool> {
    Ok(conn.prepare_cached(statement)?.execute(values)? > 0)
}

fn spelled(state: &KeyState) -> (&'static str, Option<&str>) {
    match state {
        KeyState::Active => (sql::ACTIVE, None),
        KeyState::Disabled { reason } => (sql::DISABLED, Some(reason)),
    }
}

fn models(limits: &Limits) -> rusqlite::Result<Option<String>> {
    joined(limits.lend_models.as_deref())
}

/// A list of models as it is stored.
pub(super) fn joined(models: Option<&[String]>) -> rusqlite::Result<Option<String>> {
    let Some(models) = models else { return Ok(None) };
    let refused = || rusqlite::Error::ToSqlConversionFailure("a model's name breaks a line".into());
    Limits::join_models(models).map(Some).ok_or_else(refused)
}

/// As a whole number that every engine keeps; see [`sql::LARGEST`].
pub(super) fn bounded(count: u64) -> i64 {
    count.min(sql::LARGEST) as i64
}
