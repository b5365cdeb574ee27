//! Calls that only the caller's own key may serve: everything bound to a project, and the unknown.
//!
//! Rule: bodies stream both ways without a copy. Two small exceptions translate URLs between
//! Google's host and ours: bodies that name our host, and operations in which a video's URL stands.

use std::pin::Pin;

use http::Method;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body::Body as _;
use hyper::body::Incoming;
use potluck_edition::calls;
use potluck_gemini::Class;
use potluck_gemini::answer::{self, Problem};
use potluck_gemini::body::{Own, Scan};
use potluck_gemini::uploads::{self, MAPPED_BODY_MAX};

use crate::app::Hand;
use crate::door::Came;
use crate::forward::{self, Answered, AnsweredBody, Job, Refused};
use crate::handle::Asked;
use crate::outgoing::{Body, Outgoing};
use crate::sending::{Pieces, Sending};
use crate::settings::PublicUrl;
use crate::transport::UpstreamBody;
use crate::transport::body::collect;
use crate::{Reply, download, problem, served};

/// Answers a call with the caller's own key; with a token, where any key will do.
pub async fn answer(
    hand: &Hand,
    asked: &Asked<'_>,
    body: Incoming,
    came: Came<'_>,
) -> Result<Reply, Problem> {
    let dialect = asked.route.dialect;
    Ok(match exchange(hand, asked, body, came).await? {
        Ok(answered) => served::reply(answered, dialect, !asked.masked),
        Err(refused) => served::refused(&refused, dialect),
    })
}

/// The exchange alone, for those who look at the answer before it goes.
pub async fn exchange(
    hand: &Hand,
    asked: &Asked<'_>,
    body: Incoming,
    came: Came<'_>,
) -> Result<Result<Answered, Refused>, Problem> {
    let Hand { app, .. } = hand;
    let Asked { head, .. } = asked;
    let wanted = download::wanted(&head.headers);
    let safe = matches!(head.method, Method::GET | Method::HEAD);
    let body = outgoing_body(hand, &head.headers, body, asked).await?;
    let known = came.is_known(app);
    let bearer = came.bearer(app, &asked.door, known, asked.caller.block());
    let call = calls::own_call(&asked.route, bearer);
    let outgoing = Outgoing::of(asked, body, &app.settings.limits);
    let (key, invite) = (came.key(), asked.door.invite());
    let mut job = Job { call, outgoing, key, invite, repeatable: safe };
    let answered = forward::run(hand, &mut job).await;
    let Ok(answered) = answered else { return Ok(answered) };
    let answered = match asked.route.class {
        Class::Download => download::follow(hand, answered, &wanted).await?,
        _ if uploads::is_operation(&asked.route) => shown_here(hand, answered, asked).await?,
        _ => answered,
    };
    Ok(Ok(answered))
}

/// The caller's body: passing, unless it is small JSON that may name our host.
async fn outgoing_body(
    hand: &Hand,
    headers: &http::HeaderMap,
    mut body: Incoming,
    asked: &Asked<'_>,
) -> Result<Body, Problem> {
    if http_body::Body::is_end_stream(&body) {
        return Ok(Body::Kept(Pieces::new(Vec::new())));
    }
    let base = asked.caller.base(&hand.app.settings).filter(|_| may_name_us(headers));
    let Some(base) = base else {
        return Ok(Body::Once(Some(Sending::through(body))));
    };
    let text = collect(&mut body, MAPPED_BODY_MAX)
        .await
        .map_err(|_| problem::of_intake(&crate::intake::IntakeError::Broken))?;
    let google = google(hand);
    let mapped = uploads::body_for_google(&text, &base.to_string(), &google);
    Ok(Body::Kept(Pieces::One(mapped.map_or(text, Into::into))))
}

/// A read body that names our host means a file of the caller's: it is own, and Google's host is
/// put back.
pub fn translated(hand: &Hand, body: Body, scan: Scan, asked: &Asked<'_>) -> (Body, Scan) {
    // A file's path makes a call own on whatever host it stands, so plain bodies hold none.
    let Body::Kept(pieces) = &body else { return (body, scan) };
    if scan.own.is_none() || pieces.len() > MAPPED_BODY_MAX {
        return (body, scan);
    }
    let Some(base) = asked.caller.base(&hand.app.settings) else { return (body, scan) };
    match uploads::body_for_google(&pieces.joined(), &base.to_string(), &google(hand)) {
        Some(text) => {
            let own = Some(Own::State("a file on this host"));
            (Body::Kept(Pieces::One(text.into())), Scan { own, ..scan })
        }
        None => (body, scan),
    }
}

fn may_name_us(headers: &http::HeaderMap) -> bool {
    let json = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    json && length.is_some_and(|length: usize| length <= MAPPED_BODY_MAX)
}

/// Shows the URL of a generated video on our host, where clients follow it. An answer that is too
/// large to be looked into passes as it is.
async fn shown_here(
    hand: &Hand,
    mut answered: Answered,
    asked: &Asked<'_>,
) -> Result<Answered, Problem> {
    let Some(base) = asked.caller.base(&hand.app.settings) else { return Ok(answered) };
    let length = answered.parts.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAPPED_BODY_MAX) {
        return Ok(answered);
    }
    answered.body = match answered.body {
        AnsweredBody::Upstream(mut upstream) => {
            let (read, whole) =
                start_of(&mut upstream).await.map_err(|_| Problem::new(answer::Reason::Broken))?;
            if whole {
                let mapped = uploads::operation_for_caller(&read, &google(hand), &base.to_string());
                AnsweredBody::Rewritten(mapped.unwrap_or(read).into())
            } else {
                AnsweredBody::Behind(read.into(), upstream)
            }
        }
        body => body,
    };
    Ok(answered)
}

/// Reads as much as is looked into, and a piece beyond; says whether that was all.
async fn start_of(
    upstream: &mut UpstreamBody<Sending>,
) -> Result<(Vec<u8>, bool), crate::transport::BodyError> {
    let mut read = Vec::new();
    while read.len() <= MAPPED_BODY_MAX {
        match std::future::poll_fn(|cx| Pin::new(&mut *upstream).poll_frame(cx)).await {
            Some(frame) => read.extend_from_slice(&frame?.into_data().unwrap_or_default()),
            None => return Ok((read, true)),
        }
    }
    Ok((read, false))
}

/// Google's origin as it stands in URLs.
pub fn google(hand: &Hand) -> String {
    let upstream = &hand.app.settings.upstream;
    let scheme = upstream.scheme_str().unwrap_or("https");
    format!("{scheme}://{}", upstream.authority().map_or("", |authority| authority.as_str()))
}

impl std::fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}
