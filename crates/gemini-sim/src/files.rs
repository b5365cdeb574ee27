//! Files of projects: listed, shown, deleted, downloaded over a redirect.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use crate::{
    answer::Answer,
    call::{Call, Reply, not_yours},
    log::fnv,
    path::Path,
    problem::Problem,
    upload,
    world::World,
};

/// `files…` on native routes.
///
/// # Errors
/// Whatever Google refuses.
pub fn answer(call: &Call) -> Reply {
    let project = call.key.project;
    let now = call.world.now_ms();
    match (&call.method, call.path.slices().as_slice(), call.path.verb.as_deref()) {
        (&Method::GET, ["files"], None) => {
            let page = call.path.page(10);
            Ok(Answer::json(&call.world.state().shelf.page("files", project, &page, now)))
        }
        (&Method::POST, ["files"], None) => {
            let body = call.json()?;
            let file = upload::file(&call.world, project, &body["file"], Bytes::new(), 0);
            Ok(Answer::json(&json!({ "file": file })))
        }
        (&Method::POST, ["files"], Some("register")) => {
            Err(Problem::sample("unauthenticated_token_type", &call.filling()))
        }
        (&Method::GET, ["files", id], None) => {
            let state = call.world.state();
            let file = state.shelf.owned(&format!("files/{id}"), project);
            let file = file.ok_or_else(|| not_yours("File", id))?;
            Ok(Answer::json(&file.shown(now)))
        }
        (&Method::GET, ["files", id], Some("download")) => redirect(call, id),
        (&Method::DELETE, ["files", id], None) => {
            let removed = call.world.state().shelf.remove(&format!("files/{id}"), project);
            removed.map(|_| Answer::json(&json!({}))).ok_or_else(|| not_yours("File", id))
        }
        _ => Err(Problem::nothing_here()),
    }
}

/// Downloads are answered by a redirect that needs no key.
fn redirect(call: &Call, id: &str) -> Reply {
    let name = format!("files/{id}");
    if call.world.state().shelf.owned(&name, call.key.project).is_none() {
        return Err(not_yours("File", id));
    }
    let (base, version) = (&call.base, &call.path.version);
    let ticket = ticket_of(&name, call.key.project);
    let to = format!("{base}/download/{version}/{name}:download?alt=media&ticket={ticket}");
    Ok(Answer::new(StatusCode::FOUND, "text/html; charset=UTF-8", Bytes::new())
        .with("location", &to))
}

fn ticket_of(name: &str, project: u64) -> String {
    fnv(format!("{project} may read {name}").as_bytes())
}

/// What a redirect leads to: a file's content, without a key.
///
/// # Errors
/// Whatever Google refuses.
pub fn ticket(world: &World, path: &Path, headers: &HeaderMap) -> Reply {
    let name = path.segments.join("/");
    let state = world.state();
    let item = state.shelf.any(&name);
    let item =
        item.filter(|item| path.param("ticket") == Some(ticket_of(&name, item.project).as_str()));
    let item = item.ok_or_else(|| Problem::new(403, "The caller does not have permission"))?;
    let kind = item.value["mimeType"].as_str();
    Ok(content(&item.content, kind, headers))
}

/// A file's content, by key.
///
/// # Errors
/// Whatever Google refuses.
pub fn download(call: &Call) -> Reply {
    let name = call.path.segments.join("/");
    let id = name.rsplit('/').next().unwrap_or_default();
    let state = call.world.state();
    let item = state.shelf.owned(&name, call.key.project);
    let item = item.ok_or_else(|| not_yours("File", id))?;
    Ok(content(&item.content, item.value["mimeType"].as_str(), &call.headers))
}

fn content(content: &Bytes, kind: Option<&str>, headers: &HeaderMap) -> Answer {
    let whole = content.len();
    let range = headers.get("range").and_then(|range| range.to_str().ok()).and_then(|range| {
        let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
        let from: usize = from.parse().ok()?;
        let to = if to.is_empty() { whole } else { to.parse::<usize>().ok()?.saturating_add(1) };
        (from < to.min(whole)).then(|| from..to.min(whole))
    });
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let (from, to) = range.map_or((0, whole), |range| (range.start, range.end));
    let mut answer = Answer::new(status, "application/octet-stream", content.slice(from..to));
    if let Some(Ok(kind)) = kind.map(str::parse) {
        answer.headers.insert("content-type", kind);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let shown = format!("bytes {from}-{}/{whole}", to - 1);
        return answer.with("content-range", &shown);
    }
    answer
}
