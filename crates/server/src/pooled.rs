//! Calls that the pool may serve: the body decides.

use http_body::Body as _;
use hyper::body::Incoming;
use potluck_core::Way;
use potluck_edition::{admission, calls, storing};
use potluck_gemini::Route;
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::body::{Own, Scan, Scanner};

use crate::Reply;
use crate::app::Hand;
use crate::door::Came;
use crate::forward::{self, Job};
use crate::handle::Asked;
use crate::intake::{self, Intake, UNPROVEN};
use crate::kept::Reservation;
use crate::outgoing::{Body, Outgoing};
use crate::sending::Pieces;
use crate::{own, problem, served, tokens};

/// Answers a call of a stateless method.
pub async fn answer(
    hand: &Hand,
    asked: &Asked<'_>,
    body: Incoming,
    came: Came<'_>,
) -> Result<Reply, Problem> {
    let app = &hand.app;
    if is_longer_than(&body, app.settings.limits.body) {
        return Err(Problem::new(Reason::TooLarge));
    }
    let known = came.is_known(app);
    if asked.masked || (!known && is_longer_than(&body, UNPROVEN)) {
        return Box::pin(own::answer(hand, asked, body, came)).await;
    }
    let Prompt { scan, body, kept } = prompt(hand, asked, body, known).await?;
    if let Some(why) = &scan.own {
        tracing::debug!(%why, "served with the caller's own key");
    }
    let bearer = came.bearer(app, &asked.door, known, asked.caller.block());
    let call = calls::pooled(&asked.route, &scan, bearer, asked.own);
    if let Came::Token(id) = came {
        if call.way == Way::OwnOnly {
            return Err(admission::needs_own_key());
        }
        tokens::enter(app, id, Some(call.model.unwrap_or_default()))?;
    }
    let repeatable = call.way == Way::Pool;
    let outgoing = Outgoing::of(asked, body, &app.settings.limits);
    let (key, invite) = (came.key(), asked.door.invite());
    let mut job = Job { call, outgoing, key, invite, repeatable };
    let answered = forward::run(hand, &mut job).await;
    drop(kept);
    Ok(match answered {
        Ok(answered) => served::reply(answered, asked.route.dialect, !asked.masked),
        Err(refused) => served::refused(&refused, asked.route.dialect),
    })
}

/// A call's body, and what was read of it.
struct Prompt {
    scan: Scan,
    body: Body,
    /// Held until the answer's head is there.
    kept: Option<Reservation>,
}

/// Reads a body that decides who may serve its call.
async fn prompt(
    hand: &Hand,
    asked: &Asked<'_>,
    body: Incoming,
    known: bool,
) -> Result<Prompt, Problem> {
    let app = &hand.app;
    let keep = if known { app.settings.limits.body } else { UNPROVEN };
    let route = &asked.route;
    let mut scanner = Scanner::new(route.dialect, route.family, route.model.as_deref(), app.seed);
    let reserved = app.kept.reservation(asked.caller.address);
    let (body, scan, kept) = match intake::read(body, &mut scanner, reserved, keep).await {
        Ok(Intake::Whole(pieces, reserved)) => {
            app.metrics.took(pieces.bytes());
            (Body::Kept(pieces), scanner.finish(), Some(reserved))
        }
        Ok(Intake::Overflow(_)) if known => return Err(Problem::new(Reason::TooLarge)),
        Ok(Intake::Overflow(rest)) => (Body::Once(Some(rest)), unread(), None),
        Err(error) => return Err(problem::of_intake(&error)),
    };
    let (body, scan) = own::translated(hand, body, scan, asked);
    let body = match app.settings.store_false {
        true => without_storing(body, &scan, route),
        false => body,
    };
    Ok(Prompt { scan, body, kept })
}

fn is_longer_than(body: &Incoming, limit: usize) -> bool {
    body.size_hint().lower() > limit as u64
}

/// What is known of a body that was too large to be read: nothing, so it goes with the own key.
fn unread() -> Scan {
    Scan { own: Some(Own::Unreadable), ..Scan::default() }
}

/// Asks Google not to store what is pooled, where the body says nothing about it.
fn without_storing(body: Body, scan: &Scan, route: &Route<'_>) -> Body {
    match &body {
        Body::Kept(pieces) if storing::is_silent(route, scan) => {
            let text = storing::refused(&pieces.as_slice().concat());
            text.map_or(body, |text| Body::Kept(Pieces::One(text.into())))
        }
        _ => body,
    }
}
