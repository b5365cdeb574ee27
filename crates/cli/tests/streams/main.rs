//! Answers on their way: as they come, told when they break, let go when nobody reads them.
//!
//! - `passing`: byte for byte, at once, at the reader's pace;
//! - `breaking`: a stream that is not whole never looks whole;
//! - `leaving`: a caller who leaves frees the upstream.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod breaking;
mod leaving;
mod passing;

/// One event of a native stream.
fn event(text: &str, finish: bool) -> String {
    let finish = if finish { ",\"finishReason\":\"STOP\"" } else { "" };
    format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}],\
         \"role\":\"model\"}}{finish},\"index\":0}}]}}\r\n\r\n"
    )
}
