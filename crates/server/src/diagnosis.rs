//! Asks Google by the way out that a server would take, for whoever wants to know what is wrong.
//!
//! Rule: no key is shown. Google says without one that there is none, which is all that is needed: it
//! can be reached, its clock is read, and a place that it refuses is refused for it, too.

use std::borrow::Cow;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, header};
use potluck_core::{Outcome, Verdict, Wall, judge_probe};
use potluck_gemini::{Dialect, failure};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::outgoing::{Body, Credential, Outgoing};
use crate::sending::Sending;
use crate::settings::Settings;
use crate::transport::body::collect;
use crate::{clock, start};

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The status of Google's answer.
    pub status: u16,
    /// By how many milliseconds Google's clock is ahead of ours, where it was told.
    pub ahead: Option<i64>,
    /// Google refuses the place that we call from.
    pub place_refused: bool,
}

/// Asks; what hinders is a sentence.
pub fn ask(settings: &Settings) -> Result<Heard, String> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the system gives no thread: {error}"))?;
    runtime.block_on(async {
        let asked = timeout(PATIENCE, heard(settings)).await;
        asked.unwrap_or_else(|_| Err("it has not answered within fifteen seconds".to_owned()))
    })
}

async fn heard(settings: &Settings) -> Result<Heard, String> {
    let upstream = start::upstream(settings).map_err(|error| error.to_string())?;
    let outgoing = Outgoing {
        method: Method::GET,
        target: PathAndQuery::from_static("/v1beta/models?pageSize=1"),
        headers: Cow::Owned(HeaderMap::new()),
        dialect: Dialect::Native,
        body: Body::Once(None),
        patience: None,
    };
    let fields = outgoing.travelling(&Credential::Nothing);
    let sent = upstream.send(outgoing.asking(&fields), Sending::Nothing, || None).await;
    let (parts, mut body) = sent.map_err(|error| error.to_string())?.into_parts();
    let text = collect(&mut body, MAX_ERROR).await.unwrap_or_default();
    let date = parts.headers.get(header::DATE).and_then(|date| date.to_str().ok());
    let kind = parts.headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes());
    let failure = failure::read(parts.status.as_u16(), kind, &text);
    Ok(Heard {
        status: parts.status.as_u16(),
        ahead: date.and_then(moment).map(|theirs| theirs.0 - clock::wall().0),
        place_refused: judge_probe(Outcome::Failed(&failure)) == Verdict::OurPlace,
    })
}

fn moment(date: &str) -> Option<Wall> {
    let read = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(Wall(read.timestamp().as_millisecond()))
}

/// What has not come by then would not come in time for a caller either.
const PATIENCE: Duration = Duration::from_secs(15);
/// An error is a few KiB.
const MAX_ERROR: usize = 64 << 10;
