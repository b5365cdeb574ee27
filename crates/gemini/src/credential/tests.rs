#![allow(clippy::unwrap_used)]

use http::HeaderName;

use super::*;

const STANDARD: &str = "AIzaSyA0123456789abcdefghijklmnopqrstuv";
const AUTH: &str = "AQ.Ab8RN6Jx_0123456789-abcdefghijklmnopqrstuvwxyz01234";
const TOKEN: &str = "auth_tokens/0123456789abcdef";

/// A request as headers and query.
type Request<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    list.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect()
}

fn key(text: &str) -> Shown {
    Shown::Key(ApiKey::parse(text).unwrap())
}

#[test]
fn keys_are_known_by_their_grammar_alone() {
    let longest = "k".repeat(KEY_MAX);
    for text in [STANDARD, AUTH, "IQ.0123456789abcdefghijk", &longest] {
        assert_eq!(ApiKey::parse(text).unwrap().expose(), text);
    }
}

#[test]
fn what_cannot_be_a_key_says_what_it_is() {
    let too_long = "k".repeat(KEY_MAX + 1);
    let cases = [
        ("ya29.a0AfB_byC0123456789abcdef", NotAKey::OAuthToken),
        ("eyJhbGciOiJSUzI1NiJ9.e30.abcdef", NotAKey::OAuthToken),
        ("sk-proj-0123456789abcdefghijklmn", NotAKey::OtherService),
        ("ptk_0123456789abcdefghijklmn", NotAKey::PotluckToken),
        ("pti_0123456789abcdefghijklmn", NotAKey::InviteCode),
        (TOKEN, NotAKey::EphemeralToken),
        ("AIzaTooShort", NotAKey::Malformed),
        ("AIzaSyA0123456789 bcdefghijklmnopqrstuv", NotAKey::Malformed),
        ("AIzaSyA0123456789é01234567890123456789", NotAKey::Malformed),
        ("", NotAKey::Malformed),
        (&too_long, NotAKey::Malformed),
    ];
    for (text, kind) in cases {
        assert_eq!(ApiKey::parse(text), Err(kind), "{text}");
    }
}

#[test]
fn a_key_is_never_printed() {
    let shown = key(STANDARD);
    let token = Shown::Ephemeral(EphemeralToken::parse(TOKEN, Place::Query).unwrap());

    assert_eq!(format!("{shown:?}"), "Key(ApiKey(…))");
    assert_eq!(format!("{token:?}"), "Ephemeral(EphemeralToken(…))");
}

#[test]
fn a_key_is_found_wherever_it_stands() {
    let bearer = format!("Bearer {STANDARD}");
    let lower = format!("bearer   {STANDARD} ");
    let query = format!("alt=sse&key={STANDARD}");
    let escaped = format!("%6bey={}&key=", STANDARD.replace('A', "%41"));
    let cases: [Request; 7] = [
        (&[("x-goog-api-key", STANDARD)], None),
        (&[("x-api-key", STANDARD)], None),
        (&[("authorization", &bearer)], None),
        (&[("authorization", &lower)], None),
        (&[], Some(&query)),
        (&[], Some(&escaped)),
        (&[("authorization", &bearer), ("x-goog-api-key", STANDARD)], Some(&query)),
    ];
    for (list, query) in cases {
        assert_eq!(shown(&headers(list), query), key(STANDARD), "{list:?} {query:?}");
    }
}

#[test]
fn empty_places_and_foreign_schemes_show_nothing() {
    let cases: [Request; 6] = [
        (&[], None),
        (&[("x-goog-api-key", "")], Some("key=&access_token=&keys=1")),
        (&[("authorization", "Bearer")], None),
        (&[("authorization", "Bearer ")], Some("")),
        (&[("authorization", "Basic dXNlcjpwYXNzd29yZA==")], None),
        (&[], Some("$key=AIzaSyA0123456789abcdefghijklmnopqrstuv")),
    ];
    for (list, query) in cases {
        assert_eq!(shown(&headers(list), query), Shown::Nothing, "{list:?} {query:?}");
    }
}

#[test]
fn two_different_credentials_are_a_conflict() {
    let standard = format!("key={STANDARD}");
    let both = format!("key={STANDARD}&key={AUTH}");
    let token = format!("access_token={TOKEN}");
    let cases: [Request; 6] = [
        (&[("x-goog-api-key", AUTH)], Some(&standard)),
        (&[("x-goog-api-key", AUTH), ("x-goog-api-key", STANDARD)], None),
        (&[("x-goog-api-key", AUTH), ("authorization", "Bearer sk-0123456789")], None),
        (&[], Some(&both)),
        (&[("x-goog-api-key", AUTH)], Some(&token)),
        (&[("x-goog-api-key", AUTH), ("x-api-key", "ya29.abc")], Some(&standard)),
    ];
    for (list, query) in cases {
        assert_eq!(shown(&headers(list), query), Shown::Conflict, "{list:?} {query:?}");
    }
}

#[test]
fn foreign_credentials_are_told_apart_from_absent_ones() {
    let cases: [(Request, NotAKey); 5] = [
        ((&[("authorization", "Bearer ya29.a0AfB_0123456789")], None), NotAKey::OAuthToken),
        ((&[("x-api-key", "sk-ant-0123456789abcdefgh")], None), NotAKey::OtherService),
        ((&[], Some("access_token=ya29.a0AfB_0123456789")), NotAKey::OAuthToken),
        ((&[], Some("key=AIza%20spaced%0d%0a0123456789")), NotAKey::Malformed),
        ((&[("authorization", "Token something")], None), NotAKey::Malformed),
    ];
    for ((list, query), kind) in cases {
        assert_eq!(shown(&headers(list), query), Shown::NotAKey(kind), "{list:?} {query:?}");
    }
}

#[test]
fn a_header_that_is_no_text_is_not_a_key() {
    let mut map = HeaderMap::new();
    map.insert("x-goog-api-key", HeaderValue::from_bytes(b"\xffAIza").unwrap());

    assert_eq!(shown(&map, None), Shown::NotAKey(NotAKey::Malformed));
}

#[test]
fn an_ephemeral_token_keeps_its_place() {
    let authorization = format!("Token {TOKEN}");
    // Python's client repeats the token where the key would stand.
    let python = headers(&[("authorization", &authorization), ("x-goog-api-key", TOKEN)]);
    let javascript = format!("access_token={}", TOKEN.replace('/', "%2F"));

    let Shown::Ephemeral(in_header) = shown(&python, None) else { panic!("no token") };
    let Shown::Ephemeral(in_query) = shown(&HeaderMap::new(), Some(&javascript)) else {
        panic!("no token")
    };

    assert_eq!(in_header.authorization().unwrap().as_bytes(), authorization.as_bytes());
    assert!(in_header.authorization().unwrap().is_sensitive());
    assert_eq!(in_header.parameter(), None);
    assert_eq!(in_query.authorization(), None);
    assert_eq!(*in_query.parameter().unwrap(), format!("access_token={TOKEN}"));
}

#[test]
fn only_a_bearer_bears() {
    assert!(bears(&headers(&[("authorization", "bEaReR x")])));
    assert!(!bears(&headers(&[("authorization", "Bearer ")])));
    assert!(!bears(&headers(&[("authorization", "Basic x")])));
    assert!(!bears(&headers(&[("x-goog-api-key", STANDARD)])));
}

#[test]
fn a_header_is_text_where_the_library_says_so() {
    for byte in 0..=255 {
        let Ok(value) = HeaderValue::from_bytes(&[b'a', byte]) else { continue };
        assert_eq!(text(&value), value.to_str().ok(), "{byte}");
    }
    assert_eq!(text(&HeaderValue::from_bytes("é".as_bytes()).unwrap()), None);
}

#[test]
fn other_kinds_are_told_by_their_beginnings() {
    for (start, kind) in OTHER_KINDS {
        assert_eq!(other_kind(&format!("{start}0123456789abcdefghijk")), Some(*kind));
        assert_eq!(other_kind(&start[..start.len() - 1]), None);
    }
}

#[test]
fn an_access_token_stands_wherever_a_key_does_and_is_never_one() {
    const OURS: &str = "ptk_0123456789abcdefghijklmn";
    let bearer = format!("Bearer {OURS}");
    let query = format!("alt=sse&key={OURS}");
    let cases: [Request; 5] = [
        (&[("x-goog-api-key", OURS)], None),
        (&[("x-api-key", OURS)], None),
        (&[("authorization", &bearer)], None),
        (&[], Some(&query)),
        (&[("authorization", &bearer), ("x-goog-api-key", OURS)], Some(&query)),
    ];
    let token = Shown::Token(AccessToken::parse(OURS).unwrap());
    for (list, query) in cases {
        assert_eq!(shown(&headers(list), query), token, "{list:?} {query:?}");
    }
    assert_eq!(format!("{token:?}"), "Token(AccessToken(…))");
    let beside_a_key = headers(&[("authorization", &bearer), ("x-goog-api-key", STANDARD)]);
    assert_eq!(shown(&beside_a_key, None), Shown::Conflict);
    let odd = headers(&[("x-goog-api-key", "ptk_ with spaces")]);
    assert_eq!(shown(&odd, None), Shown::NotAKey(NotAKey::PotluckToken));
}
