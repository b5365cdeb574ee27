//! An error that came in the middle of a stream, collected.

use serde::de::IgnoredAny;

use crate::credential::ApiKey;
use crate::failure::{self, BODY_MAX, Failure};
use crate::redact;

/// What has come since the stream failed, up to the bound of all error bodies.
#[derive(Debug)]
pub(super) struct Late {
    bytes: Vec<u8>,
    torn: bool,
}

impl Late {
    /// `torn`: the beginning of the failing event had passed already.
    pub(super) fn new(torn: bool) -> Self {
        Late { bytes: Vec::new(), torn }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = BODY_MAX - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    pub(super) fn torn(&self) -> bool {
        self.torn
    }

    pub(super) fn told(&self) -> bool {
        self.bytes.len() == BODY_MAX || self.json().is_some()
    }

    pub(super) fn failure(&self) -> Failure {
        failure::read_late(&self.json().unwrap_or_default())
    }

    /// `{"error":…}` on one line, without secrets.
    pub(super) fn redacted(&self, keys: &[&ApiKey]) -> Option<Vec<u8>> {
        redact::redact_object(&self.json()?, keys)
    }

    /// The first JSON value, out of its event lines; whatever follows it is not looked at.
    fn json(&self) -> Option<Vec<u8>> {
        let lines = self.bytes.split_inclusive(|&byte| byte == b'\n');
        let bare = lines.map(|line| line.strip_prefix(b"data:").unwrap_or(line));
        let mut text = bare.collect::<Vec<_>>().concat();
        let mut values = serde_json::Deserializer::from_slice(&text).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let end = values.byte_offset();
        text.truncate(end);
        Some(text)
    }
}
