//! Calls that come with an access token: the pool serves them as those of a caller who brings nothing.
//!
//! Rule: a token is looked up here, before anything of its call is read, and once more when the call is
//! let in, which counts it; an open socket's now and then, for as long as it is open, with what its turns
//! took; nothing that belongs to one project is in reach of one.

use std::time::Duration;

use hyper::body::Incoming;
use potluck_core::TokenId;
use potluck_edition::admission;
use potluck_edition::sockets::Closing;
use potluck_gemini::Class;
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::credential::AccessToken;
use tokio::time::sleep;

use crate::Reply;
use crate::app::{App, Hand};
use crate::door::Came;
use crate::handle::Asked;
use crate::{live, own, pooled};

/// Answers a call that came with a token.
pub async fn answer(
    hand: &Hand,
    mut asked: Asked<'_>,
    body: Incoming,
    token: &AccessToken,
) -> Result<Reply, Problem> {
    let id = find(&hand.app, token)?;
    if asked.own {
        return Err(admission::needs_own_key());
    }
    if asked.route.path.contains(token.expose()) {
        // A path goes to Google as it is.
        return Err(Problem::new(Reason::Refused).saying("The path holds an access token."));
    }
    let came = Came::Token(id);
    match asked.route.class {
        Class::Pooled => pooled::answer(hand, &asked, body, came).await,
        Class::Listing => {
            if !asked.query.ask_whole(&asked.route) {
                return Err(admission::needs_own_key());
            }
            enter(&hand.app, id, asked.route.model.as_deref())?;
            own::answer(hand, &asked, body, came).await
        }
        Class::Live => live::answer(hand, &asked, came),
        _ => Err(admission::needs_own_key()),
    }
}

/// The token's id, if it is good and has something left.
pub fn find(app: &App, token: &AccessToken) -> Result<TokenId, Problem> {
    let now = app.clock.now();
    let mut tokens = app.tokens.lock();
    let id = app.vault.token_ids(token).map(TokenId).find(|id| tokens.knows(*id));
    let id = id.ok_or_else(|| Problem::new(Reason::UnknownToken))?;
    tokens.may_ask(id, now).map_err(|denied| admission::denied(denied, None))?;
    Ok(id)
}

/// Lets a call in, and counts it.
pub fn enter(app: &App, id: TokenId, model: Option<&str>) -> Result<(), Problem> {
    let entered = app.tokens.lock().enter(id, model, app.clock.now());
    entered.map_err(|denied| admission::denied(denied, model))
}

/// Ends when a token is no longer good or has no text left, with what its open socket is to be told.
pub async fn ends(app: &App, id: TokenId) -> Closing {
    loop {
        sleep(LOOK).await;
        let good = app.tokens.lock().may_go_on(id, app.clock.now());
        if let Err(why) = good {
            return Closing::of_problem(&admission::denied(why, None));
        }
    }
}

/// How often an open socket's token is looked up.
const LOOK: Duration = Duration::from_secs(1);
