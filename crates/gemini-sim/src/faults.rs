//! Rules put into effect: what replaces an answer, and what happens to it on its way.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    answer::{Answer, Content, Step, Steps, cutting, sending},
    gzip,
    handle::{FOR_EVER, Peer},
    passage::Passage,
    problem::{Problem, Shape},
    rule::{Act, Form},
    samples::{self, Filling, pretty},
};

const JSON: &str = "application/json; charset=UTF-8";

/// What happens before there is an answer; `Some` replaces it.
///
/// # Errors
/// When the connection is to end here.
pub async fn before(
    act: Option<&Act>,
    peer: &Peer,
    key: &str,
    shape: Shape,
) -> io::Result<Option<Answer>> {
    match act {
        Some(Act::SlowHead { ms }) => sleep(Duration::from_millis(*ms)).await,
        Some(Act::StallHead) => loop {
            sleep(FOR_EVER).await;
        },
        Some(Act::CutBeforeHead { rst }) => {
            if *rst {
                peer.line.reset();
            }
            return Err(io::Error::other("cut on demand"));
        }
        Some(Act::Sample(name)) => return Ok(Some(sample(name, peer, key, shape))),
        Some(Act::Answer { status, headers, body }) => {
            return Ok(Some(scripted(*status, headers, body)));
        }
        Some(Act::Redirect { to, status }) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::FOUND);
            return Ok(Some(Answer::new(status, "text/html", Bytes::new()).with("location", to)));
        }
        _ => {}
    }
    Ok(None)
}

fn sample(name: &str, peer: &Peer, key: &str, shape: Shape) -> Answer {
    let project = peer.world.state().keys.get(key).map_or(0, |key| key.project);
    let filling = Filling { key, project, address: Some(&peer.address), ..Filling::default() };
    Problem::sample(name, &filling).answer(shape)
}

fn scripted(status: u16, headers: &[(String, String)], body: &Value) -> Answer {
    let bytes = match body {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        body => pretty(body),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = Answer::new(status, JSON, bytes);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            answer.headers.insert(name, value);
        }
    }
    answer
}

/// Turns an answer into a response, with whatever the rule does to it.
#[must_use]
pub fn play(
    act: Option<Act>,
    answer: Answer,
    gzipped: bool,
    peer: &Peer,
    passage: Passage,
) -> Response<Steps> {
    let gap = peer.world.config.event_gap;
    let answer = if gzipped { gzip::answer(answer) } else { answer };
    let Answer { status, headers, content } = answer;
    let whole_len = match &content {
        Content::Whole(body) => Some(body.len()),
        Content::Pieces(_) => None,
    };
    let pieces = Answer { status, headers: http::HeaderMap::new(), content }.into_pieces();
    let mut steps = Vec::new();
    let mut raw = None;
    match act {
        Some(Act::SlowBody { ms }) => steps = sending(halves(pieces), Duration::from_millis(ms)),
        Some(Act::StallBody { after }) => {
            steps = sending(first(pieces, after), gap);
            steps.push(Step::Stall);
        }
        Some(Act::CutBody { after, rst }) => {
            steps = sending(first(pieces, after), gap);
            steps.extend(cutting(rst));
        }
        Some(Act::EndBody { after }) => steps = sending(first(pieces, after), gap),
        Some(Act::MidStream { after, sample, form }) => {
            let mut pieces = first(pieces, after);
            pieces.push(mid_stream(&sample, form));
            steps = sending(pieces, gap);
        }
        Some(act) => {
            raw = crate::raw::head_and_body(&act, status, &headers, &pieces.concat());
            if raw.is_none() {
                steps = sending(pieces, gap);
            }
        }
        None => steps = sending(pieces, gap),
    }
    let mut close = false;
    if let Some(raw) = raw {
        close = raw.close;
        peer.line.instead(raw.bytes);
    }
    let broken = matches!(steps.last(), Some(Step::Stall | Step::Cut { .. }));
    let body = Steps::new(steps, Some(passage), Some(std::sync::Arc::clone(&peer.line)));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if let (true, Some(len)) = (broken, whole_len) {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    }
    if close {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    dress(response.headers_mut());
    response
}

/// Google's usual headers.
pub fn dress(headers: &mut http::HeaderMap) {
    for origin in ["Origin", "X-Origin", "Referer"] {
        headers.append(header::VARY, HeaderValue::from_static(origin));
    }
    let usual = [
        ("server", "scaffolding on HTTPServer2"),
        ("x-xss-protection", "0"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private"),
        ("server-timing", "gfet4t7; dur=42"),
        ("alt-svc", "h3=\":443\"; ma=2592000,h3-29=\":443\"; ma=2592000"),
    ];
    for (name, value) in usual {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// The first pieces. Of a body in one piece, its first half.
fn first(mut pieces: Vec<Bytes>, count: usize) -> Vec<Bytes> {
    if pieces.len() == 1 && count > 0 {
        return halves(pieces).into_iter().take(1).collect();
    }
    pieces.truncate(count);
    pieces
}

fn halves(pieces: Vec<Bytes>) -> Vec<Bytes> {
    match pieces.as_slice() {
        [whole] => {
            let middle = whole.len() / 2;
            vec![whole.slice(..middle), whole.slice(middle..)]
        }
        _ => pieces,
    }
}

fn mid_stream(name: &str, form: Form) -> Bytes {
    let known = samples::named(name).map(|sample| sample.filled(&Filling::default()));
    let body = match known {
        Some(Value::Array(list)) => list.into_iter().next().unwrap_or_default(),
        Some(Value::String(text)) => return text.into(),
        Some(body) => body,
        None => serde_json::json!({"error": {"code": 500, "message": name, "status": "INTERNAL"}}),
    };
    match form {
        Form::Bare => pretty(&body).into(),
        Form::Data => format!("data: {body}\r\n\r\n").into(),
        Form::Array => format!("data: [{body}]\r\n\r\n").into(),
    }
}
