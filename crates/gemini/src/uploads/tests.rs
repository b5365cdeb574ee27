#![allow(clippy::unwrap_used)]

use super::*;
use crate::query::query;

const GOOGLE: &str = "https://generativelanguage.googleapis.com";
const URL: &str = "https://generativelanguage.googleapis.com/upload/v1beta/files\
                   ?upload_id=AHR%2DxyZ_1&upload_protocol=resumable";
const SIGNATURE_BYTES: [u8; SIGNATURE_LEN] = [0xab; SIGNATURE_LEN];

#[test]
fn an_upload_comes_back_as_it_was_signed() {
    let upload = Upload::from_google(URL, GOOGLE).unwrap();
    let shown = upload.signed(1_800_000_000, &SIGNATURE_BYTES);
    let (path, text) = shown.split_once('?').unwrap();
    let part = SignedPart::parse(path, Some(text)).unwrap();

    assert_eq!(part.expires, 1_800_000_000);
    assert_eq!(part.signature, SIGNATURE_BYTES);
    let bytes = upload.signed_bytes(1_800_000_000);
    assert_eq!(part.upload.signed_bytes(part.expires), bytes);
    assert_eq!(bytes, b"/upload/v1beta/files\n1800000000\nAHR-xyZ_1");
}

#[test]
fn google_sees_its_own_url_again() {
    let upload = Upload::from_google(URL, GOOGLE).unwrap();
    let shown = upload.signed(1_800_000_000, &SIGNATURE_BYTES);
    let (path, text) = shown.split_once('?').unwrap();

    let route = route::route(&Method::PUT, path, Some(text), false).unwrap();
    let query = query(&route, Some(text)).unwrap();

    assert_eq!(route.class, Class::UploadPart);
    assert_eq!(format!("{GOOGLE}{}?{}", route.path, query.text), URL);
}

#[test]
fn a_key_in_googles_url_is_not_shown() {
    let url = format!("{URL}&key=AIzaSecret");

    assert_eq!(Upload::from_google(&url, GOOGLE), Upload::from_google(URL, GOOGLE));
}

#[test]
fn only_uploads_on_the_upstreams_host_are_ours_to_show() {
    let path = "/upload/v1beta/files?upload_id=x";
    let cases = [
        (format!("{GOOGLE}{path}"), GOOGLE, true),
        (format!("{GOOGLE}:443{path}"), GOOGLE, true),
        (format!("HTTPS://GenerativeLanguage.googleapis.com{path}"), GOOGLE, true),
        (format!("http://127.0.0.1:9{path}"), "http://127.0.0.1:9", true),
        (format!("http://generativelanguage.googleapis.com{path}"), GOOGLE, false),
        (format!("{GOOGLE}:8443{path}"), GOOGLE, false),
        (format!("{GOOGLE}.evil.test{path}"), GOOGLE, false),
        (format!("https://user@generativelanguage.googleapis.com{path}"), GOOGLE, false),
        (format!("{GOOGLE}/upload/v1beta/files"), GOOGLE, false),
        (format!("{GOOGLE}/upload/v1beta/files?upload_id="), GOOGLE, false),
        (format!("{GOOGLE}/v1beta/files?upload_id=x"), GOOGLE, false),
        (format!("{GOOGLE}/upload/../v1beta/files?upload_id=x"), GOOGLE, false),
        (path.to_owned(), GOOGLE, false),
        ("not a url".to_owned(), GOOGLE, false),
    ];
    for (url, upstream, ours) in cases {
        assert_eq!(Upload::from_google(&url, upstream).is_some(), ours, "{url}");
    }
}

#[test]
fn what_is_not_signed_well_is_not_signed() {
    let path = "/upload/v1beta/files";
    let sig = "ab".repeat(SIGNATURE_LEN);
    let good = format!("upload_id=x&potluck_exp=9&potluck_sig={sig}");
    assert!(SignedPart::parse(path, Some(&good)).is_some());

    for query in [
        "upload_id=x".to_owned(),
        format!("potluck_exp=9&potluck_sig={sig}"),
        format!("upload_id=x&potluck_sig={sig}"),
        "upload_id=x&potluck_exp=9".to_owned(),
        "upload_id=x&potluck_exp=9&potluck_sig=abcd".to_owned(),
        format!("upload_id=x&potluck_exp=-9&potluck_sig={sig}"),
        format!("{good}&upload_id=y"),
        format!("{good}&%75pload_id=y"),
        format!("{good}&potluck_exp=10"),
        format!("{good}&potluck_sig={sig}"),
    ] {
        assert_eq!(SignedPart::parse(path, Some(&query)), None, "{query}");
    }
    assert_eq!(SignedPart::parse("/v1beta/files", Some(&good)), None);
    assert_eq!(SignedPart::parse(path, None), None);
}

#[test]
fn a_signature_is_over_id_path_and_expiry() {
    let one = Upload::new("/upload/v1/files", Some("upload_id=x")).unwrap();
    let other_id = Upload::new("/upload/v1/files", Some("upload_id=y")).unwrap();
    let other_path = Upload::new("/upload/v1beta/files", Some("upload_id=x")).unwrap();
    let forged = Upload::new("/upload/v1/files", Some("upload_id=9%0Ax")).unwrap();

    assert_ne!(one.signed_bytes(9), other_id.signed_bytes(9));
    assert_ne!(one.signed_bytes(9), other_path.signed_bytes(9));
    assert_ne!(one.signed_bytes(9), one.signed_bytes(10));
    assert_ne!(one.signed_bytes(9), forged.signed_bytes(9));
}

#[test]
fn operations_are_known_by_their_path() {
    let cases = [
        ("/v1beta/models/veo/operations/o1", true),
        ("/v1beta/operations/a/b", true),
        ("/models/veo/operations/o1", true),
        ("/v1beta/batches/b1", false),
        ("/v1beta/models/operations", false),
    ];
    for (path, expected) in cases {
        let route = route::route(&Method::GET, path, None, false).unwrap();
        assert_eq!(is_operation(&route), expected, "{path}");
    }
}
