//! Access tokens and invites: made, told, changed, taken back.
//!
//! Rule: the book decides and the store is told under the book's lock, so that the store's order is
//! the book's and two operators at once lose nothing of each other's changes.

use bytes::Bytes;
use potluck_core::invites::InviteRecord;
use potluck_core::tokens::{TokenRecord, Used};
use potluck_core::{InviteId, TokenId};
use potluck_edition::admin::{bad, invites, tokens};
use potluck_edition::admission::rows;
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::credential::AccessToken;
use potluck_store::StoreError;
use serde_json::json;

use crate::app::App;
use crate::{Reply, local, me};

/// All tokens.
pub fn tokens(app: &App) -> Reply {
    // Written out when the book is free again: calls look into it.
    let all: Vec<TokenRecord> = app.tokens.lock().list().into_iter().cloned().collect();
    local::json(&json!(tokens::All::of(&all, app.clock.now().wall)))
}

/// Makes a token, and shows it this once.
pub async fn make_token(app: &App, text: &Bytes) -> Result<Reply, Problem> {
    let terms = tokens::Make::read(text)?;
    let secret = potluck_vault::draw_token().map_err(|_| Problem::new(Reason::Internal))?;
    let token = AccessToken::parse(&secret).map_err(|_| Problem::new(Reason::Internal))?;
    let id = app.vault.token_ids(&token).next().map(TokenId);
    let id = id.ok_or_else(|| Problem::new(Reason::Internal))?;
    let made = app.clock.now().wall;
    let record = TokenRecord { id, made, terms, used: Used::default() };
    let written = {
        let mut book = app.tokens.lock();
        if !book.add(record.clone()) {
            return Err(bad("there are as many access tokens as there can be: revoke some"));
        }
        app.store.add_token(rows::token(&record))
    };
    if let Err(error) = written.await {
        app.tokens.lock().revoke(id);
        return Err(local::store_trouble(app, &error));
    }
    Ok(local::json(&json!(tokens::Made::of(&secret, &record, made))))
}

/// Changes what a token may.
pub async fn change_token(app: &App, id: TokenId, text: &Bytes) -> Result<Reply, Problem> {
    let patch = tokens::Change::read(text)?;
    let (record, written) = {
        let mut book = app.tokens.lock();
        let changed = book.change(id, &patch).ok_or_else(unknown)?;
        let record = changed.map_err(|why| bad(&why.to_string()))?;
        let written = app.store.set_token(id.0, rows::terms(&record.terms));
        (record, written)
    };
    known(app, written.await)?;
    Ok(local::json(&json!(tokens::View::of(&record, app.clock.now().wall))))
}

/// Takes a token out of the book at once, and off the disk before the answer.
pub async fn revoke_token(app: &App, id: TokenId) -> Result<Reply, Problem> {
    let written = {
        let mut book = app.tokens.lock();
        book.revoke(id);
        app.store.erase_token(id.0)
    };
    known(app, written.await)?;
    Ok(me::gone())
}

/// All invites.
pub fn invites(app: &App) -> Reply {
    let all: Vec<InviteRecord> = app.invites.lock().list().into_iter().cloned().collect();
    local::json(&json!(invites::All::of(&all, app.clock.now().wall)))
}

/// Makes an invite, and shows its code this once.
pub async fn make_invite(app: &App, text: &Bytes) -> Result<Reply, Problem> {
    let code = potluck_vault::draw_invite().map_err(|_| Problem::new(Reason::Internal))?;
    let id = app.vault.invite_ids(&code).next().map(InviteId);
    let id = id.ok_or_else(|| Problem::new(Reason::Internal))?;
    let now = app.clock.now().wall;
    let record = invites::Make::read(text, id, now)?;
    let written = {
        let mut book = app.invites.lock();
        if !book.add(record.clone()) {
            return Err(bad("there are as many invites as there can be: take some back"));
        }
        app.store.add_invite(rows::invite(&record))
    };
    if let Err(error) = written.await {
        app.invites.lock().revoke(id);
        return Err(local::store_trouble(app, &error));
    }
    Ok(local::json(&json!(invites::Made::of(&code, &record, now))))
}

/// Takes an invite back.
pub async fn revoke_invite(app: &App, id: InviteId) -> Result<Reply, Problem> {
    let written = {
        let mut book = app.invites.lock();
        book.revoke(id);
        app.store.erase_invite(id.0)
    };
    known(app, written.await)?;
    Ok(me::gone())
}

/// A change of something that was there.
fn known(app: &App, written: Result<bool, StoreError>) -> Result<(), Problem> {
    let there = written.map_err(|error| local::store_trouble(app, &error))?;
    if there { Ok(()) } else { Err(unknown()) }
}

fn unknown() -> Problem {
    Problem::new(Reason::UnknownId)
}
