//! Uploads: resumable ones, whose parts carry no key but the upload's id, and such in one go.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http::{StatusCode, request::Parts};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    call::{Call, Reply, not_yours},
    handle::Received,
    path::Path,
    problem::Problem,
    shelf::{Item, Upload},
    world::World,
};

/// The host that file URIs name, whoever is asked.
const FILE_HOST: &str = "https://generativelanguage.googleapis.com";
/// Parts come in multiples of this.
const GRANULARITY: &str = "262144";
/// Files live for two days.
const LIFE_MS: i64 = 48 * 3_600_000;
/// So much of a file is kept to be downloaded.
const KEPT: usize = 64 * 1024 * 1024;

/// The start of a resumable upload, or an upload in one go.
///
/// # Errors
/// Whatever Google refuses.
pub fn start(call: &Call) -> Reply {
    let collection = match (call.path.slices().as_slice(), call.path.verb.as_deref()) {
        (["files"], None) => "files".to_owned(),
        (["fileSearchStores", id], Some("uploadToFileSearchStore")) => {
            let name = format!("fileSearchStores/{id}");
            if call.world.state().shelf.owned(&name, call.key.project).is_none() {
                return Err(not_yours("FileSearchStore", id));
            }
            format!("{name}/documents")
        }
        _ => return Err(Problem::nothing_here()),
    };
    let protocol = call.header("x-goog-upload-protocol");
    let protocol = protocol.or_else(|| call.path.param("upload_protocol"));
    match protocol.or_else(|| call.path.param("uploadType")).unwrap_or("resumable") {
        "resumable" => resumable(call, &collection),
        "multipart" => multipart(call, &collection),
        "raw" | "media" => {
            let kind = call.header("content-type").unwrap_or("application/octet-stream");
            let meta = json!({"file": {"mimeType": kind}});
            let upload = Upload { content: call.body.to_vec(), ..begun(call, &collection, meta) };
            Ok(finish(&call.world, upload, call.body_len))
        }
        _ => Err(Problem::new(400, "Invalid upload protocol.")),
    }
}

fn begun(call: &Call, collection: &str, meta: Value) -> Upload {
    let (project, collection) = (call.key.project, collection.to_owned());
    Upload { project, collection, meta, content: Vec::new(), received: 0, status: "active" }
}

fn resumable(call: &Call, collection: &str) -> Reply {
    if !call.header("x-goog-upload-command").is_none_or(|command| command.contains("start")) {
        return Err(Problem::new(400, "Upload command must be start."));
    }
    let mut meta = call.json()?;
    if let Some(kind) = call.header("x-goog-upload-header-content-type")
        && meta["file"]["mimeType"].is_null()
    {
        meta["file"]["mimeType"] = json!(kind);
    }
    let id = call.world.id(96);
    call.world.state().shelf.uploads.insert(id.clone(), begun(call, collection, meta));
    let path = match collection.strip_suffix("/documents") {
        Some(store) => format!("{store}:uploadToFileSearchStore"),
        None => collection.to_owned(),
    };
    let (base, version) = (&call.base, &call.path.version);
    let url = format!("{base}/upload/{version}/{path}?upload_id={id}&upload_protocol=resumable");
    Ok(Answer::new(StatusCode::OK, "text/plain; charset=utf-8", Bytes::new())
        .with("x-goog-upload-url", &url)
        .with("x-goog-upload-control-url", &url)
        .with("x-goog-upload-status", "active")
        .with("x-goog-upload-chunk-granularity", GRANULARITY)
        .with("x-guploader-uploadid", &id))
}

/// Metadata and content in one body of two parts.
fn multipart(call: &Call, collection: &str) -> Reply {
    let kind = call.header("content-type").unwrap_or_default();
    let boundary = kind.split_once("boundary=").map(|(_, rest)| rest.trim_matches('"'));
    let bad = || Problem::new(400, "Malformed multipart body.");
    let mark = format!("--{}", boundary.ok_or_else(bad)?);
    let (first, second) = two_parts(&call.body, mark.as_bytes()).ok_or_else(bad)?;
    let mut meta: Value = serde_json::from_slice(first.1).map_err(|_| bad())?;
    let head = String::from_utf8_lossy(second.0).to_ascii_lowercase();
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type:"));
    if meta["file"]["mimeType"].is_null() {
        meta["file"]["mimeType"] = json!(kind.map_or("application/octet-stream", str::trim));
    }
    let content = second.1.to_vec();
    let length = content.len() as u64;
    Ok(finish(&call.world, Upload { content, ..begun(call, collection, meta) }, length))
}

type Part<'a> = (&'a [u8], &'a [u8]);

/// Head and body of the two parts.
fn two_parts<'a>(body: &'a [u8], mark: &[u8]) -> Option<(Part<'a>, Part<'a>)> {
    let find = |from: &[u8], what: &[u8]| from.windows(what.len()).position(|at| at == what);
    let next = |rest: &'a [u8]| -> Option<(Part<'a>, &'a [u8])> {
        let rest = &rest[find(rest, mark)? + mark.len()..];
        let end = find(rest, mark)?;
        let part = rest.get(2..end.checked_sub(2)?)?;
        let middle = find(part, b"\r\n\r\n")?;
        Some(((&part[..middle], &part[middle + 4..]), &rest[end..]))
    };
    let (first, rest) = next(body)?;
    let (second, _) = next(rest)?;
    Some((first, second))
}

/// A part of a resumable upload: needs no key, the id is enough.
///
/// # Errors
/// Whatever Google refuses.
pub fn part(world: &World, path: &Path, parts: &Parts, received: &Received) -> Reply {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let id = path.param("upload_id").unwrap_or_default();
    let command = header("x-goog-upload-command").unwrap_or_default().to_ascii_lowercase();
    let mut state = world.state();
    let Some(upload) = state.shelf.uploads.get_mut(id) else {
        return Err(Problem::new(404, "Upload not found."));
    };
    let told = |status: &'static str, received: u64| {
        Answer::new(StatusCode::OK, "text/plain; charset=utf-8", Bytes::new())
            .with("x-goog-upload-status", status)
            .with("x-goog-upload-size-received", &received.to_string())
            .with("x-goog-upload-chunk-granularity", GRANULARITY)
    };
    if command.contains("query") {
        return Ok(told(upload.status, upload.received));
    }
    if command.contains("cancel") {
        upload.status = "cancelled";
        return Ok(told("cancelled", upload.received));
    }
    if upload.status != "active" {
        return Err(Problem::new(400, format!("Upload is {}.", upload.status)));
    }
    if command.contains("upload") {
        let offset = header("x-goog-upload-offset").and_then(|text| text.parse().ok());
        if offset != Some(upload.received) {
            let at = upload.received;
            return Err(Problem::new(400, format!("Upload offset must be {at}.")));
        }
        upload.received += received.len;
        let room = KEPT.saturating_sub(upload.content.len());
        upload.content.extend_from_slice(&received.bytes[..received.bytes.len().min(room)]);
    }
    if !command.contains("finalize") {
        return Ok(told("active", upload.received));
    }
    upload.status = "final";
    let length = upload.received;
    let done = Upload { content: std::mem::take(&mut upload.content), ..upload.clone() };
    drop(state);
    Ok(finish(world, done, length))
}

/// Makes a file (or a document) of what has come.
fn finish(world: &World, upload: Upload, length: u64) -> Answer {
    let answer = if upload.collection == "files" {
        let file = file(world, upload.project, &upload.meta["file"], upload.content.into(), length);
        json!({ "file": file })
    } else {
        let name = format!("{}/{}", upload.collection, world.id(12));
        let kind = &upload.meta["file"]["mimeType"];
        let document = json!({"name": name, "displayName": upload.meta["displayName"],
            "state": "STATE_ACTIVE", "sizeBytes": length.to_string(), "mimeType": kind});
        world.state().shelf.put_json(upload.project, &document);
        let store = upload.collection.trim_end_matches("/documents");
        json!({"name": format!("{store}/upload/operations/{}", world.id(12)), "done": true,
               "response": {"parent": store, "documentName": name}})
    };
    Answer::json(&answer).with("x-goog-upload-status", "final")
}

/// Puts a file on the shelf and shows it.
pub fn file(world: &World, project: u64, meta: &Value, content: Bytes, length: u64) -> Value {
    let wanted = meta["name"].as_str().filter(|name| name.len() > 6).map(str::to_owned);
    let name = wanted.unwrap_or_else(|| format!("files/{}", world.id(12)));
    let now = world.now_ms();
    let mut file = json!({
        "name": name,
        "mimeType": meta.get("mimeType").or_else(|| meta.get("mime_type"))
            .filter(|kind| kind.is_string()).cloned().unwrap_or(json!("application/octet-stream")),
        "sizeBytes": length.to_string(),
        "createTime": time(now),
        "updateTime": time(now),
        "expirationTime": time(now + LIFE_MS),
        "sha256Hash": BASE64.encode(hex::encode(sha256(&content))),
        "uri": format!("{FILE_HOST}/v1beta/{name}"),
        "state": "ACTIVE",
        "source": "UPLOADED",
    });
    if let Some(shown) = meta.get("displayName").or_else(|| meta.get("display_name")) {
        file["displayName"] = shown.clone();
    }
    let processing = i64::try_from(world.config.processing.as_millis()).unwrap_or(0);
    let item = Item { project, value: file, content, ready_ms: now + processing };
    let shown = item.shown(now);
    world.state().shelf.put(&name, item);
    shown
}

/// A time as Google prints it.
#[must_use]
pub fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map(|time| time.to_string()).unwrap_or_default()
}

/// SHA-256, from the TLS library that is here anyway.
fn sha256(bytes: &[u8]) -> Vec<u8> {
    use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let suite = TLS13_AES_128_GCM_SHA256.tls13();
    suite.map_or_else(Vec::new, |suite| suite.common.hash_provider.hash(bytes).as_ref().to_vec())
}
