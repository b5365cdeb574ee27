//! Answers that no honest server sends, byte by byte.

use std::fmt::Write;

use http::{HeaderMap, StatusCode};

use crate::rule::Act;

/// Bytes in place of an answer.
#[derive(Debug)]
pub struct Raw {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The connection ends after them.
    pub close: bool,
}

/// The bytes that an act puts in place of an answer, if it is one that does.
#[must_use]
pub fn head_and_body(
    act: &Act,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<Raw> {
    let length = body.len();
    let framed = |extra: &str, body: &[u8], close: bool| {
        let mut bytes = head(status, headers, extra);
        bytes.extend_from_slice(body);
        Some(Raw { bytes, close })
    };
    match act {
        Act::BothLengths => {
            let extra = format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n");
            framed(&extra, &chunked(body), false)
        }
        Act::LengthTooLong => framed(&format!("content-length: {}\r\n", length + 100), body, true),
        Act::LengthTooShort => {
            framed(&format!("content-length: {}\r\n", length.saturating_sub(10)), body, false)
        }
        Act::SilentClose => framed(&format!("content-length: {length}\r\n"), body, true),
        Act::StrangeEncoding => framed("transfer-encoding: xchunked\r\n", &chunked(body), true),
        Act::HeaderBomb { kb } => {
            let mut extra = format!("content-length: {length}\r\n");
            for number in 0..*kb {
                let _ = write!(extra, "x-bomb-{number}: {}\r\n", "b".repeat(1_000));
            }
            framed(&extra, body, true)
        }
        Act::Informational { count } => {
            let mut bytes = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(*count);
            let extra = format!("content-length: {length}\r\n");
            bytes.extend(head(status, headers, &extra));
            bytes.extend_from_slice(body);
            Some(Raw { bytes, close: false })
        }
        Act::BadGzip => {
            let extra = format!("content-encoding: gzip\r\ncontent-length: {length}\r\n");
            framed(&extra, body, false)
        }
        _ => None,
    }
}

fn head(status: StatusCode, headers: &HeaderMap, extra: &str) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16());
    for (name, value) in headers {
        let _ = write!(head, "{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    head += extra;
    head += "\r\n";
    head.into_bytes()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(b"\r\n0\r\n\r\n");
    bytes
}
