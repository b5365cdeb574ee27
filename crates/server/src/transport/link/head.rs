//! The head of an answer.
//!
//! Rule: httparse says what a head is; values are slices of the bytes they came in.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use httparse::{ParserConfig, Status};
use memchr::memmem;

use super::framing::Malformed;

/// The largest head that is read. Google's take about one KiB.
pub(super) const MAX_HEAD: usize = 64 << 10;
/// Headers of one answer at most. Google sends about fifteen.
const MAX_HEADERS: usize = 100;
/// Room for the headers that are added on the way to the caller, so that the map grows never.
const OURS: usize = 6;

/// The upstream talks without answering.
pub(super) const TOO_LONG: Malformed = Malformed("its head is too long");

/// An answer's head.
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
}

/// Takes a head off the front of what has come; `None` while it is not whole.
pub(super) fn take(came: &mut Bytes) -> Result<Option<Head>, Malformed> {
    let mut slots = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut answer = httparse::Response::new(&mut []);
    let parsed =
        ParserConfig::default().parse_response_with_uninit_headers(&mut answer, came, &mut slots);
    let length = match parsed {
        Ok(Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(Status::Partial) if came.len() < MAX_HEAD => return Ok(None),
        Ok(_) => return Err(TOO_LONG),
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed("too many headers")),
        Err(_) => return Err(Malformed("it is not HTTP/1.1")),
    };
    let head = Head {
        status: StatusCode::from_u16(answer.code.unwrap_or(0))
            .map_err(|_| Malformed("the status is none"))?,
        version: if answer.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 },
        headers: headers(answer.headers, came)?,
    };
    let _ = came.split_to(length);
    Ok(Some(head))
}

/// Whether the end of a head is in sight, which is asked before a long one is read again.
pub(super) fn may_be_whole(came: &[u8]) -> bool {
    memmem::find(came, b"\n\r\n").or_else(|| memmem::find(came, b"\n\n")).is_some()
}

fn headers(parsed: &[httparse::Header<'_>], from: &Bytes) -> Result<HeaderMap, Malformed> {
    let mut headers = HeaderMap::with_capacity(parsed.len() + OURS);
    for header in parsed {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(from.slice_ref(header.value));
        match (name, value) {
            (Ok(name), Ok(value)) => {
                headers.append(name, value);
            }
            _ => return Err(Malformed("a header is none")),
        }
    }
    Ok(headers)
}
