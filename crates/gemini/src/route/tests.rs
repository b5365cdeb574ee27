#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::Class::{Download, Listing, Live, LiveConstrained, LiveMusic, Own, Pooled};
use super::Class::{UploadPart, UploadStart};
use super::*;

/// Routes `"METHOD /path?query"`.
fn ask(request: &str, bearer: bool) -> Result<(Route<'_>, &str), NoRoute> {
    let (method, target) = request.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
    route(&method.parse().unwrap(), path, query, bearer).map(|found| (found, path))
}

#[track_caller]
fn assert_class(request: &str, class: Class, dialect: Dialect, family: Family) {
    let (route, path) = ask(request, false).unwrap_or_else(|no| panic!("{request}: {no:?}"));
    assert_eq!((route.class, route.dialect, route.family), (class, dialect, family), "{request}");
    assert_eq!(route.path, path, "{request}");
}

#[test]
fn stateless_methods_are_pooled_in_the_versions_that_have_them() {
    let cases = [
        ("generateContent", "v1 v1beta v1alpha", Family::Generate, true),
        ("streamGenerateContent", "v1 v1beta v1alpha", Family::Generate, true),
        ("countTokens", "v1 v1beta v1alpha", Family::CountTokens, true),
        ("embedContent", "v1 v1beta v1alpha", Family::Embed, true),
        ("batchEmbedContents", "v1 v1beta v1alpha", Family::Embed, true),
        ("predict", "v1beta v1alpha", Family::Predict, false),
        ("generateAnswer", "v1beta v1alpha", Family::Answer, false),
    ];
    for (verb, versions, family, proof) in cases {
        for version in ["v1", "v1beta", "v1alpha"] {
            let request = format!("POST /{version}/models/gemini-2.5-flash:{verb}");
            let (route, path) = ask(&request, false).unwrap();
            if !versions.split(' ').any(|known| known == version) {
                assert_eq!((route.class, route.family), (Own, Family::Other), "{request}");
                continue;
            }
            assert_eq!((route.class, route.family), (Pooled, family), "{request}");
            assert_eq!(route.dialect, Dialect::Native);
            assert_eq!(route.model.as_deref(), Some("gemini-2.5-flash"));
            assert_eq!((route.stream, route.proof), (verb.starts_with("stream"), proof));
            assert!(matches!(&route.path, Cow::Borrowed(same) if *same == path));
        }
    }
}

#[test]
fn models_are_listed_with_the_own_key() {
    for version in ["v1", "v1beta", "v1alpha"] {
        for (tail, model) in [("models", None), ("models/gemini-pro", Some("gemini-pro"))] {
            let request = format!("GET /{version}/{tail}?pageSize=5");
            let (route, _) = ask(&request, false).unwrap();
            assert_eq!((route.class, route.family), (Listing, Family::Models), "{request}");
            assert_eq!((route.model.as_deref(), route.proof), (model, true), "{request}");
        }
    }
}

#[test]
fn openai_routes_are_pooled_in_their_dialect() {
    let cases = [
        ("POST /v1beta/openai/chat/completions", Pooled, Family::Generate),
        ("POST /v1beta/openai/embeddings", Pooled, Family::Embed),
        ("POST /v1beta/openai/images/generations", Pooled, Family::Predict),
        ("POST /v1/openai/chat/completions", Pooled, Family::Generate),
        ("GET /v1beta/openai/models", Listing, Family::Models),
        ("GET /v1beta/openai/models/gemini-2.5-flash", Listing, Family::Models),
        ("GET /v1beta/openai/models/models/gemini-2.5-flash", Listing, Family::Models),
        ("GET /v1beta/openai/chat/completions", Own, Family::Other),
        ("POST /v1beta/openai/files", Own, Family::Other),
        ("GET /v1beta/openai/files/file-1", Own, Family::Other),
        ("POST /v1beta/openai/batches", Own, Family::Other),
        ("GET /v1beta/openai/batches/b1", Own, Family::Other),
        ("POST /v1beta/openai/batches/b1/cancel", Own, Family::Other),
        ("POST /v1beta/openai/videos", Own, Family::Other),
    ];
    for (request, class, family) in cases {
        assert_class(request, class, Dialect::Compat, family);
    }
}

#[test]
fn aliases_lead_to_the_path_that_google_knows() {
    let cases = [
        ("POST /v1/chat/completions", false, "/v1beta/openai/chat/completions", Pooled),
        ("POST /v1/embeddings", false, "/v1beta/openai/embeddings", Pooled),
        ("POST /v1/images/generations", true, "/v1beta/openai/images/generations", Pooled),
        ("GET /v1/chat/completions", true, "/v1beta/openai/chat/completions", Own),
        ("GET /v1/models", true, "/v1beta/openai/models", Listing),
        ("GET /v1/models/gemini-pro", true, "/v1beta/openai/models/gemini-pro", Listing),
        ("GET /v1/models/models%2Fm", true, "/v1beta/openai/models/models/m", Listing),
        ("GET /v1beta/openai/models/models%2fm", true, "/v1beta/openai/models/models/m", Listing),
        ("GET /v1beta/openai/batches/batches%2Fb", true, "/v1beta/openai/batches/batches/b", Own),
        ("GET /v1/models", false, "/v1/models", Listing),
        ("GET /v1/models/gemini-pro", false, "/v1/models/gemini-pro", Listing),
        ("POST /v1/models/m:generateContent", true, "/v1/models/m:generateContent", Pooled),
        ("GET /v1/models/m/operations/o", true, "/v1/models/m/operations/o", Own),
        ("POST /models/m:generateContent", false, "/v1beta/models/m:generateContent", Pooled),
        ("GET /models/m/operations/o", false, "/v1beta/models/m/operations/o", Own),
        ("POST /v1/models/m%3AcountTokens", false, "/v1/models/m:countTokens", Pooled),
        ("POST /models/m%3acountTokens", false, "/v1beta/models/m:countTokens", Pooled),
    ];
    for (request, bearer, path, class) in cases {
        let (route, _) = ask(request, bearer).unwrap();
        assert_eq!((&*route.path, route.class), (path, class), "{request}");
        let compat = path.starts_with("/v1beta/openai/");
        assert_eq!(route.dialect == Dialect::Compat, compat, "{request}");
    }
}

#[test]
fn what_is_bound_to_a_project_is_own() {
    for request in [
        "POST /v1beta/files",
        "GET /v1beta/files",
        "GET /v1beta/files/abc",
        "DELETE /v1beta/files/abc",
        "POST /v1beta/files:register",
        "POST /v1beta/cachedContents",
        "PATCH /v1beta/cachedContents/c1?updateMask=ttl",
        "GET /v1beta/tunedModels",
        "POST /v1beta/tunedModels/t1:generateContent",
        "POST /v1/tunedModels/t1:streamGenerateContent",
        "POST /v1beta/tunedModels/t1:transferOwnership",
        "GET /v1beta/tunedModels/t1/permissions/p1",
        "POST /v1/tunedModels/t1/operations/o1:cancel",
        "POST /v1beta/models/m:batchGenerateContent",
        "POST /v1beta/models/m:asyncBatchEmbedContent",
        "POST /v1beta/models/m:predictLongRunning",
        "GET /v1beta/models/m/operations",
        "GET /v1beta/models/m/operations/o1",
        "GET /v1beta/operations/a/b/c",
        "GET /v1beta/batches",
        "POST /v1beta/batches/b1:cancel",
        "GET /v1beta/generatedFiles/g/operations/o",
        "POST /v1beta/corpora/c/documents/d/chunks:batchCreate",
        "POST /v1beta/corpora/c:query",
        "POST /v1beta/fileSearchStores",
        "POST /v1beta/fileSearchStores/s:importFile",
        "GET /v1beta/fileSearchStores/s/documents/d",
        "GET /v1beta/fileSearchStores/s/upload/operations/o",
        "POST /v1alpha/auth_tokens",
        "POST /v1beta/dynamic/d1:generateContent",
        "POST /v1/dynamic/d1:streamGenerateContent",
        "POST /v1beta/models/chat-bison:generateMessage",
        "POST /v1beta/models/m:countMessageTokens",
        "POST /v1beta/models/m:generateText",
        "POST /v1beta/models/m:embedText",
        "POST /v1beta/models/m:batchEmbedText",
        "POST /v1beta/models/m:countTextTokens",
        "HEAD /v1beta/models/m:generateContent",
        "GET /v1beta/models/m:generateContent",
        "PUT /v1beta/models/m:generateContent",
        "HEAD /v1beta/models",
        "POST /v1beta/models",
        "POST /v1beta/models/a/b:generateContent",
        "POST /v1beta/models/a:b:generateContent",
        "POST /v1beta/models/a%20b:generateContent",
        "POST /v1beta/models/:generateContent",
        "POST /v1beta/models/m:generateContent/",
        "POST /v1beta/models/m%3Aunknown",
        "POST /v1beta/%6dodels/m:generateContent",
        "POST /v1beta/Models/m:generateContent",
        "GET /v1beta/whatever",
        "GET /v1beta",
        "GET /v1/",
        "GET /upload/files",
        "GET /upload/v1beta/files",
        "PUT /upload/v1beta/unheard/of",
        "POST /download/v1beta/files/f:download",
        "GET /ws/something.else",
        "GET /ws/google.ai.generativelanguage.v2.GenerativeService.BidiGenerateContent",
        "POST /ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
        "GET /$discovery/rest?version=v1beta",
    ] {
        assert_class(request, Own, Dialect::Native, Family::Other);
    }
}

#[test]
fn the_interactions_family_is_own_in_its_dialect() {
    for request in [
        "POST /v1beta/interactions",
        "POST /v1/interactions",
        "GET /v1beta/interactions/i1?stream=true&last_event_id=7",
        "DELETE /v1beta/interactions/i1",
        "POST /v1beta/interactions/i1/cancel",
        "GET /v1beta/agents",
        "PATCH /v1beta/credentials/c",
        "GET /v1beta/environments/e/files/a/b.txt",
        "GET /v1beta/triggers/t/executions",
        "POST /v1beta/voices",
        "POST /v1beta/webhooks/w:ping",
        "POST /v1beta/webhooks/w:rotateSigningSecret",
    ] {
        assert_class(request, Own, Dialect::Interactions, Family::Other);
    }
}

#[test]
fn uploads_and_downloads_are_told_apart() {
    let part = "upload_id=u1&upload_protocol=resumable";
    let cases = [
        ("POST /upload/v1beta/files".to_owned(), UploadStart),
        ("POST /upload/v1/files?uploadType=media".to_owned(), UploadStart),
        ("POST /upload/v1beta/files?upload_id=".to_owned(), UploadStart),
        ("POST /upload/v1beta/fileSearchStores/s:uploadToFileSearchStore".to_owned(), UploadStart),
        (format!("POST /upload/v1beta/files?{part}"), UploadPart),
        (format!("PUT /upload/v1beta/files?{part}"), UploadPart),
        (format!("POST /upload/v1beta/fileSearchStores/s:x?{part}"), UploadPart),
        ("GET /v1beta/files/f:download?alt=media".to_owned(), Download),
        ("GET /v1beta/files/f?alt=media".to_owned(), Download),
        ("GET /v1beta/files/f?%24alt=media".to_owned(), Download),
        ("GET /download/v1beta/files/batch-1:download?alt=media".to_owned(), Download),
        ("GET /v1beta/fileSearchStores/s/media/b?alt=media".to_owned(), Download),
    ];
    for (request, class) in &cases {
        assert_class(request, *class, Dialect::Native, Family::Other);
    }
    for (request, class) in [
        ("POST /upload/v1beta/environments/e/files/a/b", UploadStart),
        ("POST /upload/v1beta/environments/e/files/a/b?upload_id=u", UploadPart),
        ("GET /v1beta/environments/e/files/a/b?alt=media", Download),
    ] {
        assert_class(request, class, Dialect::Interactions, Family::Other);
    }
}

#[test]
fn sockets_are_known_by_name() {
    for version in ["v1", "v1beta", "v1alpha"] {
        for (name, class) in [
            ("BidiGenerateContent", Live),
            ("BidiGenerateContentConstrained", LiveConstrained),
            ("BidiGenerateMusic", LiveMusic),
        ] {
            let service = "google.ai.generativelanguage";
            let request = format!("GET /ws/{service}.{version}.GenerativeService.{name}");
            assert_class(&request, class, Dialect::Native, Family::Live);
        }
    }
}

#[test]
fn paths_of_elsewhere_get_a_hint() {
    let cases = [
        ("/", "speaks the Gemini API"),
        ("/favicon.ico", "speaks the Gemini API"),
        ("/v1messages", "speaks the Gemini API"),
        ("/$discovery/other", "speaks the Gemini API"),
        ("/v1/messages", "Anthropic"),
        ("/v1/messages/count_tokens", "Anthropic"),
        ("/v1/responses", "Responses API"),
        ("/v1beta/openai/responses", "Responses API"),
        ("/v1/completions", "legacy completions"),
        ("/openai/chat/completions", "must end in /v1beta/openai"),
        ("/chat/completions", "must end in /v1beta/openai"),
        ("/v1beta/chat/completions", "must end in /v1beta/openai"),
        ("/v1beta/v1beta/models/m:generateContent", "names a version twice"),
        ("/v1/v1beta/models", "names a version twice"),
        ("/v1beta/openai/v1/chat/completions", "names a version twice"),
        ("/models", "lacks a version"),
        ("/files/abc", "lacks a version"),
        ("/v1/projects/p/locations/l/publishers/google/models/m:predict", "Vertex AI"),
        ("/v1beta1/projects/p", "Vertex AI"),
    ];
    for (path, words) in cases {
        let Err(NoRoute::Unknown { hint }) = route(&Method::POST, path, None, false) else {
            panic!("{path} has a route")
        };
        assert!(hint.contains(words), "{path}: {hint}");
    }
}

#[test]
fn tricks_are_refused_before_they_mean_anything() {
    for path in [
        "/v1beta/../v1/models",
        "/v1beta/models%2fm",
        "/v1beta/openai/models%2f%2fm",
        "/v1beta/openai/files/..%2f..%2fx",
        "/v1/models/%2e%2e%2fx",
        "//",
        "/a;b",
        "*",
        "/v1beta/\r\n",
    ] {
        let refused = route(&Method::GET, path, None, true);
        assert!(matches!(refused, Err(NoRoute::Refused(_))), "{path:?}: {refused:?}");
    }
}

/// Paths made of what matters to the parser, in any order.
fn any_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => Just("/".to_owned()),
        4 => prop::sample::select(vec![
            "v1", "v1beta", "v1alpha", "models", "openai", "upload", "download", "ws", "files",
            "chat/completions", "gemini-2.5-flash", "interactions", "$discovery", "rest",
            ":generateContent", ":predict", ":download", "%3AgenerateContent", "%3a", ":",
            "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
        ]).prop_map(str::to_owned),
        1 => prop::sample::select(vec![
            ".", "..", "%2e", "%2f", "%5c", "%25", "%", ";", "\\", "#", "?", " ", "\r\n", "é",
        ]).prop_map(str::to_owned),
        1 => "[a-zA-Z0-9._~-]{1,8}",
    ];
    let start = prop::sample::select(vec!["", "/v1beta/", "/v1/models/gemini-pro", "/upload/v1/"]);
    (start, prop::collection::vec(piece, 0..12))
        .prop_map(|(start, pieces)| format!("{start}{}", pieces.concat()))
}

fn any_method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![Method::GET, Method::POST, Method::PUT, Method::HEAD])
}

fn any_query() -> impl Strategy<Value = Option<&'static str>> {
    prop::sample::select(vec![None, Some("upload_id=u"), Some("alt=media"), Some("alt=sse")])
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(path in ".{0,64}", bearer: bool) {
        let _ = route(&Method::POST, &path, None, bearer);
    }

    #[test]
    fn a_path_for_google_is_safe_and_routes_to_itself(
        path in any_path(), method in any_method(), query in any_query(), bearer: bool,
    ) {
        if let Ok(first) = route(&method, &path, query, bearer) {
            prop_assert!(first.path.starts_with('/'));
            prop_assert!(!first.path.contains("..") && !first.path.contains("//"));
            prop_assert!(first.path.bytes().all(|byte| byte.is_ascii_graphic()));
            let again = route(&method, &first.path, query, bearer);
            prop_assert_eq!(again.as_ref(), Ok(&first));
        }
    }

    #[test]
    fn only_plain_names_of_models_are_pooled(path in any_path(), bearer: bool) {
        if let Ok(route) = route(&Method::POST, &path, None, bearer)
            && route.class == Pooled
            && let Some(model) = route.model
        {
            let mut bytes = model.bytes();
            prop_assert!(bytes.all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
        }
    }
}
