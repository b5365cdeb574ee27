//! Frames of Live sockets, which are read like bodies.

use super::*;

#[test]
fn a_live_setup_is_read_like_a_body() {
    let live = |body: &str| scan_as(Dialect::Native, Family::Live, None, body);
    let setup = live(
        r#"{"setup":{"model":"models/gemini-live","generationConfig":{"responseModalities":["AUDIO"]},"inputAudioTranscription":{}}}"#,
    );
    assert_eq!((setup.own, setup.model.as_deref()), (None, Some("gemini-live")));
    assert!(setup.metered.contains(Metered::SPEECH_OUT));
    let text = r#""generationConfig":{"responseModalities":["TEXT"]}"#;
    for (config, spoken) in [
        (String::new(), true),
        (format!(",{text}"), false),
        (format!(r#",{text},"generationConfig":{{}}"#), true),
        (format!(r#",{text},"generation_config":null"#), true),
        (r#","generationConfig":{"responseModalities":[]}"#.to_owned(), true),
    ] {
        let setup = live(&format!(r#"{{"setup":{{"model":"models/gemini-live"{config}}}}}"#));
        assert_eq!(setup.metered.contains(Metered::SPEECH_OUT), spoken, "{config}");
    }
    let resumed = live(r#"{"setup":{"sessionResumption":{"handle":"x"}}}"#);
    assert_eq!(resumed.own, Some(Own::State("sessionResumption")));
    let frame =
        live(r#"{"clientContent":{"turns":[{"parts":[{"fileData":{"fileUri":"files/x"}}]}]}}"#);
    assert_eq!(frame.own, Some(Own::State("fileUri")));
    assert_eq!(
        live(r#"{"realtimeInput":{"audio":{"data":"AA==","mimeType":"audio/pcm"}}}"#).own,
        None
    );
}
