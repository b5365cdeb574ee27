//! What is answered here without Google, and what pages of other sites may read.

use gemini_sim::{Act, KeyState, Rule};
use serde_json::json;

use crate::common::raw::{Answer, Ask};
use crate::common::serving::{MODEL, Potluck, generate, key, sim, stream};

fn cors(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

fn preflight(target: &str) -> Ask {
    Ask::new("OPTIONS", target)
        .header("origin", "https://page.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-goog-api-key,content-type")
}

#[test]
fn the_count_of_keys_is_those_that_can_serve_now_or_later() {
    let sim = sim(5);
    let potluck = Potluck::start(&sim);
    let count = || potluck.get("/keycount", None);
    assert_eq!(count().json(), json!({ "keyCount": 0, "message": "success" }));
    potluck.join(&sim, 1..=5);
    assert_eq!(count().json()["keyCount"], 5);

    sim.set_state(&key(2), KeyState::Sample("quota_free_per_day".into()));
    sim.set_state(&key(3), KeyState::Depleted);
    sim.set_state(&key(4), KeyState::Invalid);
    potluck.change(&key(5), &json!({ "paused": true }));
    (0..6).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200));

    assert_eq!(count().json()["keyCount"], 3, "one serves, two rest; one is dead, one paused");
    let badge = potluck.get("/badge.svg", None);
    assert_eq!(badge.header("content-type"), Some("image/svg+xml"));
    assert!(badge.text().starts_with("<svg") && badge.text().contains(">3</text>"));
    for answer in [count(), badge] {
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn the_summary_names_states_models_and_answers_and_nobody() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    sim.set_state(&key(3), KeyState::Invalid);
    (0..4).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200));

    let pool = potluck.get("/pool", None).json();

    assert_eq!(pool["keys"]["serving"], 2, "{pool}");
    assert_eq!(pool["keys"]["disabled"], 1, "{pool}");
    assert_eq!(pool["models"], json!([MODEL]));
    assert_eq!(pool["ready"], json!({ MODEL: 2 }), "the third key is dead");
    assert_eq!(pool["lastHour"]["key-dead"], 1, "{pool}");
    assert!(pool["lastHour"]["served"].as_u64().unwrap() >= 4, "{pool}");
    let text = pool.to_string();
    assert!(!text.contains("k_") && !text.contains("AIza"), "{text}");
}

#[test]
fn liveness_and_readiness_are_told() {
    let sim = sim(0);
    let potluck = Potluck::start(&sim);
    for (page, said) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = potluck.get(page, None);
        assert_eq!((answer.status, answer.text().as_str()), (200, said));
    }
    assert_eq!(sim.counters().connections, 0, "nobody is asked for that");
}

#[test]
fn metrics_count_what_happened() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    sim.set_state(&key(2), KeyState::Invalid);
    (0..3).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200));
    sim.rule(Rule::next(1, Act::EndBody { after: 1 }));
    potluck.ask(stream(&key(1), "[[long 100]]"));
    potluck.get("/nowhere", None);

    let answer = potluck.get("/metrics", None);

    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = answer.text();
    for line in [
        "potluck_keys{kind=\"serving\"} 2",
        "potluck_keys{kind=\"disabled\"} 1",
        "potluck_attempts_total{kind=\"key-dead\"} 1",
        "potluck_broken_streams_total 1",
        "potluck_panics_total 0",
        "potluck_exchanges_under_way 0",
        "potluck_kept_bytes 0",
        "potluck_store_healthy 1",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    let id = potluck.me(&key(1))["id"].as_str().unwrap().to_owned();
    assert!(!text.contains("AIza") && !text.contains(&id), "no key and no id is a label");
}

#[test]
fn operators_pages_want_the_token_and_have_no_cors() {
    let sim = sim(0);
    let potluck = Potluck::start(&sim);
    let token = potluck.admin_token();
    for target in ["/pool/admin", "/pool/admin/keys"] {
        let ask = Ask::get(target).header("origin", "https://page.example");
        for wrong in [
            ask.clone(),
            ask.clone().header("authorization", "Bearer wrong"),
            ask.clone().header("authorization", "Bearer "),
            ask.clone().header("authorization", &format!("Basic {token}")),
            ask.clone().header("authorization", &format!("Bearer {token}x")),
            ask.clone().header("x-goog-api-key", &token),
        ] {
            let answer = potluck.ask(wrong);
            assert_eq!((answer.status, answer.reason().as_str()), (401, "POOL_NOT_ADMIN"));
            assert_eq!(cors(&answer), None, "{answer:?}");
        }
        let right = potluck.ask(ask.header("authorization", &format!("Bearer {token}")));
        assert_ne!(right.status, 401);
        assert_eq!(cors(&right), None);
    }
    for target in ["/pool/admin", "/pool/admin/keys", "/metrics"] {
        let answer = potluck.ask(preflight(target));
        let grants = answer.headers.iter().filter(|(name, _)| name.starts_with("access-control"));
        assert_eq!(grants.count(), 0, "{target} {answer:?}");
        let asked = potluck.ask(Ask::get(target).header("origin", "https://page.example"));
        assert_eq!(cors(&asked), None, "{target} {asked:?}");
        assert_eq!(asked.header("x-potluck-private"), None);
    }
}

#[test]
fn browsers_are_let_in_everywhere_else() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    for target in [
        "/v1beta/models/x:generateContent",
        "/v1/chat/completions",
        "/upload/v1beta/files",
        "/pool/me",
        "/keycount",
        "*",
    ] {
        let answer = potluck.ask(preflight(target));
        assert_eq!((answer.status, cors(&answer)), (204, Some("*")), "{target} {answer:?}");
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert!(["POST", "PATCH", "DELETE"].iter().all(|one| methods.contains(one)), "{methods}");
        let headers = answer.header("access-control-allow-headers").unwrap();
        for name in ["x-goog-api-key", "authorization", "x-goog-upload-command", "content-type"] {
            assert!(headers.contains(name), "{headers}");
        }
        assert!(answer.header("access-control-max-age").is_some());
    }
    assert_eq!(sim.counters().requests, 0, "preflights are answered here");

    let from_page = |ask: Ask| potluck.ask(ask.header("origin", "https://page.example"));
    sim.rule(Rule::next(
        1,
        Act::Answer {
            status: 200,
            body: json!({}),
            headers: vec![
                ("access-control-allow-origin".into(), "https://google.example".into()),
                ("set-cookie".into(), "a=b".into()),
                ("alt-svc".into(), "h3".into()),
                ("x-potluck-key".into(), "forged".into()),
            ],
        },
    ));
    let answers = [
        from_page(generate(&key(1), "x")),
        from_page(stream(&key(1), "x")),
        from_page(Ask::get("/v1beta/nothing")),
        from_page(Ask::get("/keycount")),
        from_page(Ask::get("/pool/me").header("x-goog-api-key", &key(1))),
    ];
    for answer in &answers {
        assert_eq!(cors(answer), Some("*"), "{answer:?}");
        let exposed = answer.header("access-control-expose-headers").unwrap();
        for name in
            ["x-goog-upload-url", "x-goog-upload-status", "x-potluck-served-by", "retry-after"]
        {
            assert!(exposed.contains(name), "{exposed}");
        }
        for dropped in ["set-cookie", "alt-svc", "access-control-allow-credentials"] {
            assert_eq!(answer.header(dropped), None, "{answer:?}");
        }
    }
    assert_eq!(answers[0].header("x-potluck-key"), Some("known"));
    assert_eq!(cors(&potluck.generate(&key(1), "x")), None, "who is no page needs none");
}

#[test]
fn the_table_is_a_page_in_the_browsers_language_with_this_servers_address() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let ask = |target: &str, language: &str| {
        potluck.ask(Ask::get(target).header("accept-language", language))
    };
    for (target, language, expected) in [
        ("/", "en-GB,en;q=0.9", "en"),
        ("/", "zh-CN,zh;q=0.9", "zh-CN"),
        ("/?lang=en", "zh", "en"),
        ("/?lang=zh", "en", "zh-CN"),
    ] {
        let page = ask(target, language);
        assert_eq!((page.status, page.header("content-language")), (200, Some(expected)));
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
        let text = page.text();
        assert!(text.contains("id=\"serving\">2</dd>"), "{text}");
        let model = format!("<li>{MODEL} <span class=\"soft\">2 keys</span></li>");
        let model = if expected == "en" { model } else { format!("<li>{MODEL} ") };
        assert!(text.contains(&model), "a joining call serves a model, too: {text}");
        assert!(text.contains(&format!("curl {}/v1beta/models/", potluck.url())));
        for (asset, kind) in [("potluck.css", "text/css"), ("table.js", "text/javascript")] {
            assert!(text.contains(&format!("\"/pool/assets/{asset}\"")));
            let asset = ask(&format!("/pool/assets/{asset}"), language);
            assert_eq!(asset.status, 200);
            assert!(asset.header("content-type").unwrap().starts_with(kind));
            assert_eq!(asset.header("x-content-type-options"), Some("nosniff"));
        }
    }
    assert_eq!(potluck.ask(Ask::post("/")).reason(), "POOL_METHOD");
    let named = potluck.ask(Ask::get("/").header("host", "\"><script>alert(1)</script>"));
    assert!(!named.text().contains("<script>alert"), "{named:?}");
}
