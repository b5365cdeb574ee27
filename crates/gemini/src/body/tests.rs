//! Which bodies are pooled, and what they say.
#![allow(clippy::unwrap_used)]
mod live;

use super::*;
use proptest::prelude::*;

fn scan_as(dialect: Dialect, family: Family, path_model: Option<&str>, body: &str) -> Scan {
    let mut scanner = Scanner::new(dialect, family, path_model, 1);
    scanner.push(body.as_bytes());
    scanner.finish()
}

fn generate(body: &str) -> Scan {
    scan_as(Dialect::Native, Family::Generate, Some("gemini-3.8-flash"), body)
}

fn chat(body: &str) -> Scan {
    scan_as(Dialect::Compat, Family::Generate, None, body)
}

fn unknown(name: &str) -> Option<Own> {
    Some(Own::Unknown(name.into()))
}

#[test]
fn a_prompt_that_merely_talks_about_state_is_pooled() {
    let scan = generate(
        r#"{"contents":[{"role":"user","parts":[{"text":"What does \"cachedContent\": \"cachedContents/x\" mean, and {\"store\": true}, https://generativelanguage.googleapis.com/v1beta/files/abc?"}]}],
        "generationConfig":{"responseSchema":{"type":"OBJECT","properties":{"cachedContent":{"type":"STRING"},"store":{"type":"BOOLEAN"}}}},
        "tools":[{"functionDeclarations":[{"name":"store","description":"serviceTier","parameters":{"properties":{"fileUri":{"enum":["gs://x"]}}}}]}]}"#,
    );
    assert_eq!(scan.own, None);
    assert!(scan.metered.is_empty());
}

#[test]
fn what_is_own_says_why() {
    let contents = |parts: &str| format!(r#"{{"contents":[{{"parts":[{parts}]}}]}}"#);
    let file = |uri: &str| contents(&format!(r#"{{"fileData":{{"fileUri":"{uri}"}}}}"#));
    let cases = [
        (r#"{"cachedContent":"cachedContents/x"}"#.into(), Some(Own::State("cachedContent"))),
        (r#"{"cached_content":"cachedContents/x"}"#.into(), Some(Own::State("cachedContent"))),
        (r#"{"cachedContent":null}"#.into(), None),
        (r#"{"cachedContent":["a"]}"#.into(), Some(Own::State("cachedContent"))),
        (r#"{"cachedContent":{}}"#.into(), Some(Own::State("cachedContent"))),
        (r#"{"store":true}"#.into(), Some(Own::State("store"))),
        (r#"{"store":false}"#.into(), None),
        (r#"{"store":"true"}"#.into(), Some(Own::State("store"))),
        (r#"{"store":1}"#.into(), Some(Own::State("store"))),
        (r#"{"store":false,"store":true}"#.into(), Some(Own::State("store"))),
        (r#"{"store":true,"store":false}"#.into(), Some(Own::State("store"))),
        (r#"{"\u0073tore":true}"#.into(), Some(Own::State("store"))),
        (r#"{"st\u006fre":true}"#.into(), Some(Own::State("store"))),
        (r#"{"STORE":true}"#.into(), unknown("STORE")),
        (r#"{"serviceTier":"standard"}"#.into(), Some(Own::Price("serviceTier"))),
        (r#"{"service_tier":"priority"}"#.into(), Some(Own::Price("serviceTier"))),
        (
            r#"{"webhookConfig":{"uris":["https://x.example"]}}"#.into(),
            Some(Own::State("webhookConfig")),
        ),
        (
            r#"{"generationOutputConfig":{"outputUriPrefix":"gs://b"}}"#.into(),
            Some(Own::State("generationOutputConfig")),
        ),
        (r#"{"continuationToken":"x"}"#.into(), Some(Own::State("continuationToken"))),
        (
            r#"{"tools":[{"fileSearch":{"fileSearchStoreNames":["fileSearchStores/x"]}}]}"#.into(),
            Some(Own::State("fileSearch")),
        ),
        (r#"{"tools":{"fileSearch":{}}}"#.into(), Some(Own::State("fileSearch"))),
        (r#"{"tools":[[{"file_search":{}}]]}"#.into(), Some(Own::State("fileSearch"))),
        (r#"{"tools":[{"mcpServers":[{"name":"x"}]}]}"#.into(), unknown("mcpServers")),
        (
            r#"{"tools":[{"googleMaps":{"authConfig":{"apiKey":"x"}}}]}"#.into(),
            unknown("authConfig"),
        ),
        (
            r#"{"generationConfig":{"speechConfig":{"voiceConfig":{"voice":"voices/x"}}}}"#.into(),
            unknown("voice"),
        ),
        (r#"{"model":"tunedModels/x"}"#.into(), Some(Own::State("model"))),
        (r#"{"model":"models/gemini-3.8-flash"}"#.into(), None),
        (r#"{"model":"gemini-3.8-flash","model":"models/gemini-4"}"#.into(), Some(Own::Model)),
        (r#"{"model":7}"#.into(), Some(Own::Model)),
        (r#"{"model":""}"#.into(), Some(Own::Model)),
        (r#"{"new_field":1}"#.into(), unknown("new_field")),
        (r#"{"contents":[{"parts":[{"text":{"cachedContent":1}}]}]}"#.into(), unknown("text")),
        (r#"{"generationConfig":{"newThing":{}}}"#.into(), unknown("newThing")),
        (
            r#"{"generationConfig":{"responseModalities":["TEXT","VIDEO"]}}"#.into(),
            unknown("responseModalities"),
        ),
        (
            r#"{"generationConfig":{"responseModalities":[2]}}"#.into(),
            unknown("responseModalities"),
        ),
        (contents(r#"{"partOfTomorrow":1}"#), unknown("partOfTomorrow")),
        (file("https://www.youtube.com/watch?v=x"), None),
        (file("https:\\/\\/example.com/x.pdf"), None),
        (
            file("https://generativelanguage.googleapis.com/v1beta/files/x"),
            Some(Own::State("fileUri")),
        ),
        (
            file("https://\\u0067enerativelanguage.googleapis.com/v1beta/files/x"),
            Some(Own::State("fileUri")),
        ),
        (file("files/x"), Some(Own::State("fileUri"))),
        (file("gs://bucket/x"), Some(Own::State("fileUri"))),
        (contents(r#"{"file_data":{"file_uri":"gs://bucket/x"}}"#), Some(Own::State("fileUri"))),
        (
            contents(
                r#"{"functionResponse":{"name":"f","response":{"fileUri":"gs://x"},
            "parts":[{"fileData":{"fileUri":"gs://x"}}]}}"#,
            ),
            Some(Own::State("fileUri")),
        ),
        ("".into(), Some(Own::Unreadable)),
        ("{} x".into(), Some(Own::Unreadable)),
        ("\u{feff}{}".into(), Some(Own::Unreadable)),
        ("{\"contents\":[]".into(), Some(Own::Unreadable)),
        ("[]".into(), None),
    ];
    for (body, own) in cases {
        let body: String = body;
        assert_eq!(generate(&body).own, own, "{body}");
    }
}

#[test]
fn invalid_utf8_is_unreadable() {
    let mut scanner = Scanner::new(Dialect::Native, Family::Generate, None, 1);
    scanner.push(b"{\"contents\":[{\"parts\":[{\"text\":\"\xff\"}]}]}");
    assert_eq!(scanner.finish().own, Some(Own::Unreadable));
}

#[test]
fn the_plain_calls_of_every_client_are_pooled() {
    let native = [
        (
            Family::Generate,
            r#"{"contents":[{"role":"user","parts":[{"text":"hi"},
            {"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="},"mediaResolution":{"level":"MEDIA_RESOLUTION_HIGH"}},
            {"fileData":{"mimeType":"video/mp4","fileUri":"https://youtu.be/x"},"videoMetadata":{"startOffset":"1s","endOffset":"5s","fps":1}}]},
            {"role":"model","parts":[{"text":"hm","thought":true},{"functionCall":{"id":"1","name":"f","args":{"store":true}},"thoughtSignature":"c2ln"},
            {"executableCode":{"language":"PYTHON","code":"1"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1"}}]},
            {"role":"user","parts":[{"functionResponse":{"id":"1","name":"f","response":{"result":{"cachedContent":1}}}}]}],
            "systemInstruction":{"role":"user","parts":[{"text":"be kind"}]},
            "safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"OFF"}],
            "tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object"}}]},{"urlContext":{}}],
            "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]},"includeServerSideToolInvocations":true},
            "labels":{"team":"x"},
            "generationConfig":{"temperature":0.5,"topP":0.9,"topK":40,"candidateCount":1,"maxOutputTokens":100,"stopSequences":["x"],
            "responseMimeType":"application/json","responseSchema":{"type":"OBJECT"},"seed":1,"presencePenalty":0,"frequencyPenalty":0,
            "responseLogprobs":true,"logprobs":3,"thinkingConfig":{"includeThoughts":true,"thinkingBudget":-1},"mediaResolution":"MEDIA_RESOLUTION_LOW",
            "responseModalities":["TEXT"]}}"#,
        ),
        (
            Family::Generate,
            r#"{"contents":[{"parts":[{"inline_data":{"mime_type":"image/png","data":"AA=="}}]}],
            "system_instruction":{"parts":{"text":"x"}},"generation_config":{"max_output_tokens":1,"thinking_config":{"thinking_level":"LOW"}},
            "safety_settings":[],"tool_config":{"function_calling_config":{"mode":"NONE"}}}"#,
        ),
        (Family::CountTokens, r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#),
        (
            Family::CountTokens,
            r#"{"generateContentRequest":{"model":"models/gemini-3.8-flash","contents":[{"parts":[{"text":"x"}]}]}}"#,
        ),
        (
            Family::Embed,
            r#"{"requests":[{"content":{"parts":[{"text":"a"}]},"model":"models/gemini-3.8-flash","taskType":"RETRIEVAL_QUERY","outputDimensionality":256}]}"#,
        ),
        (
            Family::Embed,
            r#"{"model":"models/gemini-3.8-flash","content":{"parts":[{"text":"a"}]},"title":"t"}"#,
        ),
        (
            Family::Answer,
            r#"{"contents":[{"parts":[{"text":"q"}]}],"answerStyle":"VERBOSE","inlinePassages":{"passages":[{"id":"1","content":{"parts":[{"text":"p"}]}}]}}"#,
        ),
        (
            Family::Predict,
            r#"{"instances":[{"prompt":"a cat"}],"parameters":{"sampleCount":2,"aspectRatio":"1:1","personGeneration":"allow_adult","outputOptions":{"mimeType":"image/png"}}}"#,
        ),
    ];
    for (family, body) in native {
        assert_eq!(scan_as(Dialect::Native, family, Some("gemini-3.8-flash"), body).own, None);
    }
    let compat = [
        (
            Family::Generate,
            r#"{"model":"gemini-3.8-flash","messages":[{"role":"system","content":"x"},
            {"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"low"}},
            {"type":"image_url","image_url":{"url":"https://example.com/x.png"}},{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}},
            {"type":"file","file":{"file_data":"data:application/pdf;base64,AA==","filename":"x.pdf"}}]},
            {"role":"assistant","content":null,"refusal":null,"audio":null,"annotations":[],"function_call":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"},
            "extra_content":{"google":{"thought_signature":"c2ln"}}}]},{"role":"tool","tool_call_id":"1","content":"ok"}],
            "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}],
            "tool_choice":{"type":"function","function":{"name":"f"}},"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"store":true}}},
            "stream":true,"stream_options":{"include_usage":true},"temperature":1,"reasoning_effort":"low","n":1,"stop":["x"],"max_tokens":3,
            "logit_bias":{"1":2},"store":false,"metadata":{"a":"b"},"user":"u","parallel_tool_calls":true,
            "extra_body":{"google":{"thinking_config":{"include_thoughts":true},"thought_tag_marker":"think","safety_settings":[]}}}"#,
        ),
        (
            Family::Generate,
            r#"{"model":"m","messages":[],"tool_choice":"auto","function_call":"auto"}"#,
        ),
        (
            Family::Embed,
            r#"{"model":"gemini-embedding-001","input":["a","b"],"encoding_format":"base64","dimensions":256}"#,
        ),
        (Family::Embed, r#"{"model":"gemini-embedding-001","input":[[1,2],[3]]}"#),
        (
            Family::Predict,
            r#"{"model":"imagen-4.0-generate-001","prompt":"a cat","response_format":"b64_json","n":1}"#,
        ),
    ];
    for (family, body) in compat {
        assert_eq!(scan_as(Dialect::Compat, family, None, body).own, None, "{body}");
    }
}

#[test]
fn state_on_compatible_routes_is_own() {
    let cases = [
        (
            r#"{"extra_body":{"google":{"cached_content":"cachedContents/x"}}}"#,
            Some(Own::State("cachedContent")),
        ),
        (
            r#"{"messages":[{"content":[{"type":"file","file":{"file_id":"file-x"}}]}]}"#,
            Some(Own::State("file_id")),
        ),
        (
            r#"{"messages":[{"content":[{"image_url":{"url":"https://generativelanguage.googleapis.com/v1beta/files/x"}}]}]}"#,
            Some(Own::State("url")),
        ),
        (r#"{"messages":[{"content":[{"image_url":"files/x"}]}]}"#, Some(Own::State("image_url"))),
        (
            r#"{"messages":[{"content":[{"file":{"file_data":"gs://b/x"}}]}]}"#,
            Some(Own::State("file_data")),
        ),
        (r#"{"messages":[{"audio":{"id":"x"}}]}"#, Some(Own::State("audio"))),
        (r#"{"service_tier":"auto"}"#, Some(Own::Price("service_tier"))),
        (r#"{"store":true}"#, Some(Own::State("store"))),
        (r#"{"tools":[{"type":"file_search"}]}"#, unknown("type")),
        (r#"{"model":"gemini-4","model":"gemini-3"}"#, Some(Own::Model)),
        (r#"{"model":"../x"}"#, Some(Own::Model)),
        (r#"{"stream":true,"stream":false}"#, unknown("stream")),
        (r#"{"maxTokens":1}"#, unknown("maxTokens")),
    ];
    for (body, own) in cases {
        assert_eq!(chat(body).own, own, "{body}");
    }
}

#[test]
fn a_dialect_without_a_list_is_own() {
    let body = r#"{"model":"x","input":"y"}"#;
    let scan = scan_as(Dialect::Interactions, Family::Other, None, body);
    assert_eq!(scan.own, unknown("model"));
}

#[test]
fn whether_a_body_speaks_of_storing_is_told() {
    assert!(generate(r#"{"store":false}"#).says_store);
    assert!(generate(r#"{"s\u0074ore":null}"#).says_store);
    assert!(
        !generate(r#"{"contents":[{"parts":[{"text":"store"}]}],"labels":{"store":"x"}}"#)
            .says_store
    );
}

#[test]
fn what_costs_is_named() {
    let cases = [
        (r#"{"tools":[{"googleSearch":{}}]}"#, Metered::SEARCH),
        (
            r#"{"tools":[{"google_search_retrieval":{"dynamic_retrieval_config":{"mode":"X"}}}]}"#,
            Metered::SEARCH,
        ),
        (
            r#"{"tools":[{"googleMaps":{"enableWidget":true}},{"codeExecution":{}}]}"#,
            Metered::MAPS | Metered::CODE,
        ),
        (r#"{"tools":[{"computerUse":{"environment":"ENVIRONMENT_BROWSER"}}]}"#, Metered::COMPUTER),
        (r#"{"tools":[{"codeExecution":null}]}"#, Metered::NONE),
        (r#"{"generationConfig":{"responseModalities":["TEXT","image"]}}"#, Metered::IMAGE_OUT),
        (r#"{"generationConfig":{"responseModalities":["\u0041UDIO"]}}"#, Metered::SPEECH_OUT),
        (
            r#"{"generationConfig":{"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"K"}}}}}"#,
            Metered::SPEECH_OUT,
        ),
        (r#"{"generationConfig":{"imageConfig":{"aspectRatio":"1:1"}}}"#, Metered::IMAGE_OUT),
    ];
    for (body, metered) in cases {
        let scan = generate(body);
        assert_eq!((scan.metered, scan.own), (metered, None), "{body}");
    }
}

#[test]
fn a_conversation_keeps_its_name_over_its_turns() {
    let first = generate(r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#);
    let later = generate(
        r#"{"systemInstruction":{"parts":[{"text":"x"}]},"contents":[{"parts":[{"text":"h\u0069"}],"role":"user"},
        {"role":"model","parts":[{"text":"yes?","thoughtSignature":"abc"}]},{"role":"user","parts":[{"text":"so"}]}]}"#,
    );
    let other = generate(r#"{"contents":[{"role":"user","parts":[{"text":"h"},{"text":"i"}]}]}"#);
    assert_eq!(first.conversation, later.conversation);
    assert_ne!(first.conversation, other.conversation);
    assert!(first.conversation.is_some() && !first.has_model_turn && later.has_model_turn);
    assert!(first.signature.is_none() && later.signature.is_some());

    let first = chat(r#"{"messages":[{"role":"user","content":"hi"}]}"#);
    let later = chat(
        r#"{"messages":[{"role":"system","content":"x"},{"content":[{"type":"text","text":"hi"}],"role":"user"},
        {"role":"assistant","content":"yes?"}]}"#,
    );
    assert_eq!(first.conversation, later.conversation);
    assert!(first.conversation.is_some() && !first.has_model_turn && later.has_model_turn);
}

#[test]
fn a_function_s_answer_is_a_model_s_turn_too() {
    let scan = generate(r#"{"contents":[{"parts":[{"function_response":{"name":"f"}}]}]}"#);
    assert!(scan.has_model_turn);
}

#[test]
fn tokens_are_estimated() {
    let text =
        |n: usize| format!(r#"{{"contents":[{{"parts":[{{"text":"{}"}}]}}]}}"#, "x".repeat(n));
    assert_eq!(generate(&text(400)).prompt_tokens, 100);
    assert_eq!(generate(&text(401)).prompt_tokens, 101);
    let data = |n: usize| {
        format!(r#"{{"contents":[{{"parts":[{{"inlineData":{{"data":"{}"}}}}]}}]}}"#, "A".repeat(n))
    };
    assert_eq!(generate(&data(4)).prompt_tokens, 258);
    assert_eq!(generate(&data(512 * 1000)).prompt_tokens, 1000);
}

const BODIES: [&str; 4] = [
    r#"{"contents":[{"role":"user","parts":[{"text":"hé\n\ud83d\ude00"},{"fileData":{"fileUri":"https://example.com/\u00e9"}}]}],"model":"models/gemini-3.8-flash"}"#,
    r#"{"contents":[{"parts":[{"fileData":{"fileUri":"https://\u0067enerativelanguage.googleapis.com/v1beta/files/x"},"thoughtSignature":"abc"}]}]}"#,
    r#"{"generationConfig":{"\u0072esponseModalities":["IMAGE"]},"tools":[{"googleSearch":{}}],"store":false,"x":1}"#,
    r#"{"contents":[{"role":"model","parts":[{"text":"ä"}]}],"generationConfig":{"responseSchema":{"a":[1,2,{"b":null}]}}} {"#,
];

proptest! {
    #[test]
    fn every_split_gives_the_same_scan(which in 0..BODIES.len(), cuts: Vec<prop::sample::Index>) {
        let body = BODIES[which].as_bytes();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(body.len())).collect();
        cuts.sort_unstable();
        let mut scanner = Scanner::new(
            Dialect::Native, Family::Generate, Some("gemini-3.8-flash"), 1);
        let mut from = 0;
        for cut in cuts {
            scanner.push(&body[from..cut]);
            from = cut;
        }
        scanner.push(&body[from..]);
        prop_assert_eq!(scanner.finish(), generate(BODIES[which]));
    }

    #[test]
    fn no_bytes_make_it_panic(chunks: Vec<Vec<u8>>, compat: bool) {
        let dialect = if compat { Dialect::Compat } else { Dialect::Native };
        let mut scanner = Scanner::new(dialect, Family::Generate, None, 1);
        chunks.iter().for_each(|chunk| scanner.push(chunk));
        scanner.finish();
    }

    #[test]
    fn no_damaged_body_makes_it_panic(
        which in 0..BODIES.len(), at: prop::sample::Index, byte: u8
    ) {
        let mut body = BODIES[which].as_bytes().to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        let mut scanner = Scanner::new(Dialect::Native, Family::Generate, None, 1);
        scanner.push(&body);
        scanner.finish();
    }
}
