//! Access tokens and invites: their statements, each bound to the data it is for.

use rusqlite::{Connection, Row, params};

use super::write::{bounded, changes, joined};
use super::{SqliteStore, read, write};
use crate::admission::{AdmissionStore, Admissions, InviteRow, TokenRow, TokenTerms, TokenUsed};
use crate::rows::{KeyRow, Limits, RowId};
use crate::sql::admission as sql;
use crate::{Answer, Inserted};

impl AdmissionStore for SqliteStore {
    fn load_admissions(&self) -> Answer<Admissions> {
        self.write(false, load)
    }

    fn add_token(&self, token: TokenRow) -> Answer<bool> {
        self.write(false, move |conn| add_token(conn, &token))
    }

    fn set_token(&self, id: RowId, terms: TokenTerms) -> Answer<bool> {
        self.write(false, move |conn| set_token(conn, &id, &terms))
    }

    fn set_tokens_used(&self, used: Vec<(RowId, TokenUsed)>) -> Answer<()> {
        self.write(false, move |conn| set_used(conn, &used))
    }

    fn erase_token(&self, id: RowId) -> Answer<bool> {
        self.write(false, move |conn| changes(conn, sql::ERASE_TOKEN, &[&id]))
    }

    fn add_invite(&self, invite: InviteRow) -> Answer<bool> {
        self.write(false, move |conn| add_invite(conn, &invite))
    }

    fn erase_invite(&self, id: RowId) -> Answer<bool> {
        self.write(false, move |conn| changes(conn, sql::ERASE_INVITE, &[&id]))
    }

    fn insert_invited(
        &self,
        row: KeyRow,
        tombstone: RowId,
        invite: RowId,
    ) -> Answer<Option<Inserted>> {
        self.write(false, move |conn| insert_invited(conn, &row, &tombstone, &invite))
    }
}

fn load(conn: &Connection) -> rusqlite::Result<Admissions> {
    Ok(Admissions {
        tokens: read::all(conn, sql::ALL_TOKENS, [], token)?,
        invites: read::all(conn, sql::ALL_INVITES, [], invite)?,
    })
}

fn add_token(conn: &Connection, token: &TokenRow) -> rusqlite::Result<bool> {
    let TokenRow { id, made_at, terms, .. } = token;
    let models = joined(terms.models.as_deref())?;
    changes(
        conn,
        sql::INSERT_TOKEN,
        &[
            id,
            &terms.name,
            made_at,
            &terms.expires_at,
            &terms.requests_per_minute,
            &terms.requests_per_day,
            &terms.tokens_per_minute,
            &terms.tokens_per_day,
            &models,
        ],
    )
}

fn set_token(conn: &Connection, id: &RowId, terms: &TokenTerms) -> rusqlite::Result<bool> {
    let models = joined(terms.models.as_deref())?;
    changes(
        conn,
        sql::SET_TOKEN,
        &[
            id,
            &terms.name,
            &terms.expires_at,
            &terms.requests_per_minute,
            &terms.requests_per_day,
            &terms.tokens_per_minute,
            &terms.tokens_per_day,
            &models,
        ],
    )
}

fn set_used(conn: &Connection, used: &[(RowId, TokenUsed)]) -> rusqlite::Result<()> {
    let mut set = conn.prepare_cached(sql::SET_TOKEN_USED)?;
    for (id, used) in used {
        set.execute(params![
            id,
            used.day_ends,
            bounded(used.requests_today),
            bounded(used.tokens_today),
            bounded(used.requests),
            bounded(used.tokens),
            used.used_at,
        ])?;
    }
    Ok(())
}

fn add_invite(conn: &Connection, invite: &InviteRow) -> rusqlite::Result<bool> {
    let InviteRow { id, name, made_at, expires_at, uses, .. } = invite;
    changes(conn, sql::INSERT_INVITE, &[id, name, made_at, expires_at, uses])
}

fn insert_invited(
    conn: &Connection,
    row: &KeyRow,
    tombstone: &RowId,
    invite: &RowId,
) -> rusqlite::Result<Option<Inserted>> {
    if conn.prepare_cached(sql::FIND_KEY)?.exists([row.id])? {
        return Ok(Some(Inserted::Already));
    }
    if !changes(conn, sql::USE_INVITE, &[invite])? {
        return Ok(None);
    }
    let inserted = write::insert(conn, row, tombstone)?;
    if inserted != Inserted::Stored {
        changes(conn, sql::UNUSE_INVITE, &[invite])?;
    }
    Ok(Some(inserted))
}

fn token(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok(TokenRow {
        id: row.get(0)?,
        made_at: row.get(2)?,
        terms: TokenTerms {
            name: row.get(1)?,
            expires_at: row.get(3)?,
            requests_per_minute: row.get(4)?,
            requests_per_day: row.get(5)?,
            tokens_per_minute: row.get(6)?,
            tokens_per_day: row.get(7)?,
            models: row.get::<_, Option<String>>(8)?.as_deref().map(Limits::split_models),
        },
        used: TokenUsed {
            day_ends: row.get(9)?,
            requests_today: count(row, 10)?,
            tokens_today: count(row, 11)?,
            requests: count(row, 12)?,
            tokens: count(row, 13)?,
            used_at: row.get(14)?,
        },
    })
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.max(0) as u64)
}

fn invite(row: &Row<'_>) -> rusqlite::Result<InviteRow> {
    Ok(InviteRow {
        id: row.get(0)?,
        name: row.get(1)?,
        made_at: row.get(2)?,
        expires_at: row.get(3)?,
        uses: row.get(4)?,
        used: row.get(5)?,
    })
}
