//! Resumable uploads: the start is own, its URLs are shown on our host, signed, and the parts that
//! follow are let through by that signature.

use http::header::{CONTENT_LENGTH, HeaderValue};
use hyper::body::Incoming;
use potluck_edition::uploads::{GOOD_FOR, PURPOSE};
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::credential::Shown;
use potluck_gemini::uploads::{SignedPart, UPLOAD_URL_HEADERS, Upload};
use potluck_gemini::{headers, redact};

use crate::app::{App, Hand};
use crate::door::Came;
use crate::forward::{self, Answered, Unanswered};
use crate::handle::Asked;
use crate::outgoing::{Body, Credential, Outgoing};
use crate::problem;
use crate::sending::Sending;
use crate::settings::PublicUrl;
use crate::transport::{Answer, body};
use crate::{Reply, clock, own, served};

/// How much of an error is read.
const MAX_ERROR: usize = 64 << 10;

/// Starts an upload with the caller's key.
pub async fn start(
    hand: &Hand,
    asked: &Asked<'_>,
    body: Incoming,
    came: Came<'_>,
) -> Result<Reply, Problem> {
    let dialect = asked.route.dialect;
    Ok(match own::exchange(hand, asked, body, came).await? {
        Ok(mut answered) => {
            show_here(hand, &mut answered, asked.caller.base(&hand.app.settings).as_ref());
            served::reply(answered, dialect, !asked.masked)
        }
        Err(refused) => served::refused(&refused, dialect),
    })
}

/// Passes a part on: by our signature without any key, or as an own call with one.
pub async fn part(
    hand: &Hand,
    asked: &Asked<'_>,
    body: Incoming,
    shown: Shown,
) -> Result<Reply, Problem> {
    let Asked { head, .. } = asked;
    let Some(signed) = SignedPart::parse(head.uri.path(), head.uri.query()) else {
        return own::answer(hand, asked, body, Came::Key(&problem::key(shown)?)).await;
    };
    if !is_genuine(&hand.app, &signed) {
        return Err(Problem::new(Reason::BadSignature));
    }
    let body = Body::Once(Some(Sending::through(body)));
    let mut outgoing = Outgoing::of(asked, body, &hand.app.settings.limits);
    pass(hand, &mut outgoing, asked.caller.base(&hand.app.settings).as_ref()).await
}

async fn pass(
    hand: &Hand,
    outgoing: &mut Outgoing<'_>,
    base: Option<&PublicUrl>,
) -> Result<Reply, Problem> {
    let body = outgoing.body().ok_or_else(|| Problem::new(Reason::Internal))?;
    let answer = forward::send(hand, outgoing, &Credential::Nothing, body, || None).await;
    let (mut parts, mut upstream) = answer.map_err(unanswered)?.into_parts();
    show_urls(hand, &mut parts.headers, base);
    headers::keep_for_caller(&mut parts.headers);
    let status = parts.status;
    let body = if status.is_client_error() || status.is_server_error() {
        let text = body::collect(&mut upstream, MAX_ERROR).await.unwrap_or_default();
        parts.headers.remove(CONTENT_LENGTH);
        Answer::whole(redact::redact(status.as_u16(), outgoing.dialect, &text, &[]))
    } else {
        Answer::Passed(upstream)
    };
    Ok(http::Response::from_parts(served::fresh(parts), body))
}

fn unanswered(why: Unanswered) -> Problem {
    match why {
        Unanswered::Late => Problem::new(Reason::UpstreamTimeout),
        Unanswered::Send(error) => {
            tracing::warn!(%error, "no answer from the upstream");
            Problem::new(Reason::Upstream)
        }
    }
}

fn show_here(hand: &Hand, answered: &mut Answered, base: Option<&PublicUrl>) {
    show_urls(hand, &mut answered.parts.headers, base);
}

/// Google's URLs of this upload become ours. Without a base that callers can reach, Google's stay:
/// whoever can reach Google may go on there.
fn show_urls(hand: &Hand, headers: &mut http::HeaderMap, base: Option<&PublicUrl>) {
    let Some(base) = base else { return };
    let google = own::google(hand);
    for name in UPLOAD_URL_HEADERS {
        let Some(upload) =
            headers.get(name).and_then(|url| Upload::from_google(url.to_str().ok()?, &google))
        else {
            continue;
        };
        if let Ok(url) = HeaderValue::from_str(&format!("{base}{}", sign(&hand.app, &upload))) {
            headers.insert(name, url);
        }
    }
}

fn sign(app: &App, upload: &Upload) -> String {
    let now = u64::try_from(clock::wall().0 / 1000).unwrap_or_default();
    let expires = now + GOOD_FOR.as_secs();
    let signature = app.vault.sign(PURPOSE, &upload.signed_bytes(expires));
    upload.signed(expires, &signature)
}

fn is_genuine(app: &App, part: &SignedPart) -> bool {
    let now = u64::try_from(clock::wall().0 / 1000).unwrap_or_default();
    let bytes = part.upload.signed_bytes(part.expires);
    part.expires > now && app.vault.verify(PURPOSE, &bytes, &part.signature)
}
