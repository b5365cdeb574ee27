//! Frames of a Live socket.
//!
//! The first frame of a caller, the setup, plays the part of a request's body: it decides whether
//! anybody's key will do. Later frames may only bring what a conversation is made of. Both are read
//! with the same allow-lists as bodies are, so a field unknown to them makes the socket own, or
//! ends it where it is pooled already. Google's names are `gemini-api.md` §5; SDKs write them in
//! both spellings.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

use crate::body::{Metered, Own, Scan, Scanner};
use crate::route::{Dialect, Family};
use crate::stream::Usage;
use crate::stream::usage::of_frame;

/// What a setup asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The model, without `models/`.
    pub model: Option<String>,
    /// Why only the caller's own key will do; `None` when any key will.
    pub own: Option<Own>,
    /// What costs more than words: spoken answers, searches.
    pub metered: Metered,
}

impl Setup {
    /// Reads a caller's first frame. What is no setup, or more than one, is own: Google judges it.
    pub fn read(frame: &[u8]) -> Setup {
        let Scan { own, metered, model, .. } = scan(frame);
        let alone = || is_only(frame, "setup") && model.is_some();
        let own = own.or_else(|| (!alone()).then_some(Own::Unreadable));
        Setup { model, own, metered }
    }
}

/// Whether a later frame of the caller's may go to somebody else's project: every field is known,
/// none points at anybody's state, and none sets the socket up anew.
pub fn is_plain(frame: &[u8]) -> bool {
    let Scan { own, metered, model, .. } = scan(frame);
    own.is_none() && model.is_none() && metered == Metered::NONE
}

/// Whether a frame of Google's is an error instead of a word of the protocol.
pub fn is_error(frame: &[u8]) -> bool {
    keys(frame).is_some_and(|keys| keys.contains_key("error"))
}

/// What a frame of Google's tells of the tokens of the turn that it ends; each turn of a socket has its
/// own, and `total` is what the turn took, the conversation read again included.
pub fn usage(frame: &[u8]) -> Option<Usage> {
    of_frame(frame)
}

fn scan(frame: &[u8]) -> Scan {
    // The hashes of a conversation are not asked for, so the seed does not matter.
    let mut scanner = Scanner::new(Dialect::Native, Family::Live, None, 0);
    scanner.push(frame);
    scanner.finish()
}

fn is_only(frame: &[u8], key: &str) -> bool {
    keys(frame).is_some_and(|keys| keys.len() == 1 && keys.contains_key(key))
}

fn keys(frame: &[u8]) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_slice(frame).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn own(setup: &str) -> bool {
        Setup::read(setup.as_bytes()).own.is_some()
    }

    #[test]
    fn a_plain_setup_is_pooled() {
        for setup in [
            r#"{"setup":{"model":"models/gemini-live"}}"#,
            r#"{"setup":{"model":"gemini-live","generationConfig":{"responseModalities":["TEXT"]}}}"#,
            r#"{"setup":{"model":"models/gemini-live","systemInstruction":{"parts":[{"text":"handle, files/x"}]}}}"#,
        ] {
            let read = Setup::read(setup.as_bytes());
            assert_eq!((read.own, read.model.as_deref()), (None, Some("gemini-live")), "{setup}");
        }
    }

    #[test]
    fn what_is_bound_to_a_project_is_own() {
        for setup in [
            r#"{"setup":{"model":"models/m","sessionResumption":{"handle":"h"}}}"#,
            r#"{"setup":{"model":"models/m","session_resumption":{"handle":"h"}}}"#,
            r#"{"setup":{"model":"models/m","unheardOf":1}}"#,
            r#"{"setup":{"model":"models/m"},"setup":{"model":"models/m","sessionResumption":{"handle":"h"}}}"#,
            r#"{"setup":{"model":"models/m"},"setup":{"model":"models/n"}}"#,
            r#"{"setup":{"model":"models/m"},"clientContent":{}}"#,
            r#"{"setup":{"model":"tunedModels/m"}}"#,
            r#"{"setup":{}}"#,
            r#"{"clientContent":{}}"#,
            r#"{"s\u0065tup":{"model":"models/m","sessionResumption":{"handle":"h"}}}"#,
            "hello",
            "",
        ] {
            assert!(own(setup), "{setup}");
        }
    }

    #[test]
    fn spoken_answers_are_metered() {
        let setup =
            br#"{"setup":{"model":"m","generationConfig":{"responseModalities":["AUDIO"]}}}"#;
        assert_ne!(Setup::read(setup).metered, Metered::NONE);
    }

    #[test]
    fn a_frame_tells_its_turn_s_tokens_and_a_model_s_words_do_not() {
        for (frame, total) in [
            (
                r#"{"serverContent":{"turnComplete":true},"usageMetadata":{"promptTokenCount":3,"responseTokenCount":4,"totalTokenCount":7}}"#,
                Some(7),
            ),
            (
                "{\n \"usageMetadata\": {\n  \"totalTokenCount\": 9\n },\n \"serverContent\": {}\n}\n",
                Some(9),
            ),
            (r#"{"serverContent":{"modelTurn":{"parts":[{"text":"hello"}]}}}"#, None),
            (
                r#"{"toolCall":{"functionCalls":[{"args":{"usageMetadata":{"totalTokenCount":9}}}]}}"#,
                None,
            ),
            ("", None),
        ] {
            assert_eq!(usage(frame.as_bytes()).and_then(|usage| usage.total), total, "{frame}");
        }
    }

    #[test]
    fn later_frames_bring_conversation_and_nothing_else() {
        for (frame, plain) in [
            (
                r#"{"clientContent":{"turns":[{"role":"user","parts":[{"text":"files/x"}]}],"turnComplete":true}}"#,
                true,
            ),
            (
                r#"{"client_content":{"turns":[{"role":"user","parts":[{"text":"hi"}]}],"turn_complete":true}}"#,
                true,
            ),
            (r#"{"realtimeInput":{"audio":{"data":"AA==","mimeType":"audio/pcm"}}}"#, true),
            (
                r#"{"toolResponse":{"functionResponses":[{"id":"1","name":"f","response":{"a":1}}]}}"#,
                true,
            ),
            (
                r#"{"clientContent":{"turns":[{"parts":[{"fileData":{"fileUri":"files/x"}}]}]}}"#,
                false,
            ),
            (r#"{"setup":{"model":"models/m"}}"#, false),
            (r#"{"unheardOf":{}}"#, false),
            ("hello", false),
        ] {
            assert_eq!(is_plain(frame.as_bytes()), plain, "{frame}");
        }
    }

    #[test]
    fn an_error_is_known_by_its_place() {
        assert!(is_error(br#"{"error":{"code":429}}"#));
        assert!(!is_error(br#"{"setupComplete":{}}"#));
        assert!(!is_error(br#"{"serverContent":{"error":1}}"#));
    }

    proptest! {
        #[test]
        fn no_frame_makes_it_panic(frame in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Setup::read(&frame), is_plain(&frame), is_error(&frame));
        }
    }
}
