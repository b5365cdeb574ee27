//! An answer's body on its way to the caller, chunk by chunk.
//!
//! Rules, as natively: what has come leaves at once, byte for byte; a stream that fails or breaks
//! is told, as an error event where the framing has one, and its connection is aborted, never ended
//! cleanly. The chunks stay where they are; what is seen of them here is a copy, and what the caller
//! gets is the platform's own chunk.

use std::rc::Rc;

use js_sys::Uint8Array;
use potluck_core::Ending;
use potluck_edition::spent;
use potluck_gemini::ApiKey;
use potluck_gemini::stream::{self, Framing, Seen, Watch};
use wasm_bindgen::prelude::*;

use crate::lease::Lease;

/// What `js/metered.mjs` does next.
mod say {
    /// The chunk goes as it is; of the end, that it is clean.
    pub const PASS: u8 = 0;
    /// What is held out goes in place of the chunk, or before a clean end.
    pub const INSTEAD: u8 = 1;
    /// What is held out is the last, and an abort follows.
    pub const LAST: u8 = 2;
    /// Nothing more goes.
    pub const ABORT: u8 = 3;
}

/// Watches one body.
#[wasm_bindgen]
pub struct Meter {
    watch: Watch,
    judged: bool,
    failing: bool,
    /// Gone once the body is over.
    lease: Option<Lease>,
    used: Rc<ApiKey>,
    out: Vec<u8>,
}

impl Meter {
    /// For a body of that framing. `used` is the key that serves, so that an error within the
    /// stream cannot show it.
    pub fn new(framing: Framing, lease: Lease, used: Rc<ApiKey>) -> Meter {
        let judged = matches!(framing, Framing::Native | Framing::Compat);
        let (watch, out) = (Watch::new(framing), Vec::new());
        Meter { watch, judged, failing: false, lease: Some(lease), used, out }
    }

    fn pushed(&mut self, chunk: &[u8]) -> u8 {
        if self.failing {
            let _ = self.watch.push(chunk);
            return self.failed();
        }
        let (out, failing) = match self.watch.push(chunk) {
            Seen::Pass => return say::PASS,
            Seen::Part { before, pass } => ([before, &chunk[..pass]].concat(), false),
            Seen::Failed { before, pass } => ([before, &chunk[..pass]].concat(), true),
        };
        (self.out, self.failing) = (out, failing);
        if failing { self.failed() } else { say::INSTEAD }
    }

    /// Tells the error once it is there whole.
    fn failed(&mut self) -> u8 {
        if !self.watch.told() {
            return say::INSTEAD;
        }
        let failure = self.watch.failure();
        if let (Some(failure), Some(lease)) = (failure, &mut self.lease) {
            lease.interrupted(failure);
        }
        let event = self.watch.error_event(&[&self.used]);
        self.last(event)
    }

    fn last(&mut self, event: Vec<u8>) -> u8 {
        self.out.extend(event);
        self.finish(Ending::Broken);
        say::LAST
    }

    fn finish(&mut self, ending: Ending) {
        let Some(mut lease) = self.lease.take() else { return };
        let estimate = lease.prompt_tokens();
        lease.set_end(spent::end(&self.watch, estimate, self.judged, ending));
    }
}

#[wasm_bindgen]
impl Meter {
    /// A chunk has come.
    pub fn push(&mut self, chunk: &[u8]) -> u8 {
        self.pushed(chunk)
    }

    /// The upstream ended cleanly, which is not yet to say that the answer is whole.
    pub fn end(&mut self) -> u8 {
        if self.failing || self.watch.end() == stream::Ending::Broken {
            return self.broke();
        }
        self.out = self.watch.held().to_vec();
        self.finish(Ending::Whole);
        if self.out.is_empty() { say::PASS } else { say::INSTEAD }
    }

    /// The upstream broke off.
    pub fn broke(&mut self) -> u8 {
        if self.judged {
            // An error that is cut short is told as far as it came.
            let keys: &[&ApiKey] = if self.failing { &[&self.used] } else { &[] };
            let event = self.watch.error_event(keys);
            return self.last(event);
        }
        self.finish(Ending::Broken);
        say::ABORT
    }

    /// The caller left.
    pub fn left(&mut self) {
        self.finish(Ending::Left);
    }

    /// What goes to the caller, where that is not the chunk itself.
    pub fn out(&mut self) -> Uint8Array {
        Uint8Array::from(std::mem::take(&mut self.out).as_slice())
    }
}
