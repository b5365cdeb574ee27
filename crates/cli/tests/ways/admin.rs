//! What operators do over `/pool/admin/v1`.

use serde_json::{Value, json};

use crate::common::raw::{Answer, Ask};
use crate::common::run;
use crate::common::serving::{Potluck, key, keys_seen, sim};

const KEYS: &str = "/pool/admin/v1/keys";

fn ask(potluck: &Potluck, method: &str, target: &str) -> Ask {
    let token = format!("Bearer {}", potluck.admin_token());
    Ask::new(method, target).header("authorization", &token)
}

fn get(potluck: &Potluck, target: &str) -> Value {
    let answer = potluck.ask(ask(potluck, "GET", target));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn add(potluck: &Potluck, text: &str) -> Answer {
    potluck.ask(ask(potluck, "POST", KEYS).body(text))
}

fn put_out(potluck: &Potluck, id: &str, out: bool) -> Answer {
    potluck.ask(ask(potluck, "PATCH", &format!("{KEYS}/{id}")).json(&json!({ "disabled": out })))
}

fn id(potluck: &Potluck, number: usize) -> String {
    potluck.me(&key(number))["id"].as_str().unwrap().to_owned()
}

#[test]
fn keys_that_an_operator_adds_serve_and_survive_and_each_line_is_told() {
    let sim = sim(4);
    let mut potluck = Potluck::joined(&sim, 1);
    let text = format!("# ours\n{}\nnot a key\n{}\n{}\n{}\n", key(1), key(2), key(2), key(3));

    let told = add(&potluck, &text).json();

    let counts = ["added", "known", "withdrawn", "full", "bad"].map(|word| told[word].as_u64());
    assert_eq!(counts, [2, 1, 0, 0, 2].map(Some), "{told}");
    let lines: Vec<u64> =
        told["lines"].as_array().unwrap().iter().map(|l| l["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6]);
    assert!(!told.to_string().contains("AIza"));
    potluck.restart();
    sim.clear_log();
    for _ in 0..6 {
        assert_eq!(potluck.generate(&key(1), "x").status, 200);
    }
    assert_eq!(keys_seen(&sim).len(), 3);
}

#[test]
fn a_key_that_was_put_out_serves_its_bearer_alone_until_it_is_put_back_over_restarts() {
    let sim = sim(3);
    let mut potluck = Potluck::joined(&sim, 3);
    let second = id(&potluck, 2);
    let told = put_out(&potluck, &second, true).json();
    assert_eq!((&told["state"], &told["id"]), (&json!("disabled"), &json!(second)));
    potluck.restart();
    sim.clear_log();

    for _ in 0..6 {
        assert_eq!(potluck.generate(&key(1), "x").status, 200);
    }
    assert!(!keys_seen(&sim).contains(&key(2)));
    let own = potluck.generate(&key(2), "x");
    assert_eq!((own.status, own.served_by()), (200, "own"));
    assert_eq!(get(&potluck, &format!("{KEYS}/{second}"))["state"], "disabled");

    assert_eq!(put_out(&potluck, &second, false).json()["state"], "active");
    sim.clear_log();
    for _ in 0..6 {
        assert_eq!(potluck.generate(&key(1), "x").status, 200);
    }
    assert!(keys_seen(&sim).contains(&key(2)));
}

#[test]
fn an_erased_key_is_gone_from_the_disk_and_comes_back_with_its_bearers_call() {
    let sim = sim(2);
    let mut potluck = Potluck::joined(&sim, 2);
    let target = format!("{KEYS}/{}", id(&potluck, 2));
    let erase = |potluck: &Potluck| potluck.ask(ask(potluck, "DELETE", &target));
    assert_eq!(erase(&potluck).status, 204);
    assert_eq!(erase(&potluck).reason(), "POOL_UNKNOWN_KEY");
    potluck.restart();
    assert_eq!(get(&potluck, KEYS)["keys"].as_array().unwrap().len(), 1);
    assert_eq!(potluck.generate(&key(2), "x").header("x-potluck-key"), Some("stored"));
}

#[test]
fn a_key_that_is_erased_and_added_at_once_is_on_the_disk_and_not_in_memory_alone() {
    let sim = sim(1);
    let mut potluck = Potluck::joined(&sim, 1);
    for _ in 0..5 {
        let target = format!("{KEYS}/{}", id(&potluck, 1));
        assert_eq!(potluck.ask(ask(&potluck, "DELETE", &target)).status, 204);
        assert_eq!(add(&potluck, &key(1)).json()["added"], 1);
    }
    potluck.restart();
    assert_eq!(get(&potluck, KEYS)["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn all_keys_are_listed_page_by_page_in_parts_as_well() {
    for parts in ["1", "4"] {
        let sim = sim(9);
        let potluck = Potluck::with(&sim.url(), &["--parts", parts]);
        let keys: Vec<String> = (1..=9).map(key).collect();
        assert_eq!(add(&potluck, &keys.join("\n")).json()["added"], 9);
        assert_eq!(put_out(&potluck, &id(&potluck, 5), true).status, 200);
        let all = |query: &str| {
            let (mut after, mut seen) = (json!(0), Vec::new());
            while !after.is_null() {
                let page = get(&potluck, &format!("{KEYS}?limit=2&after={after}{query}"));
                let ids = page["keys"].as_array().unwrap().iter().map(|key| key["id"].to_string());
                seen.extend(ids);
                after = page["next"].clone();
            }
            let count = seen.len();
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), count);
            count
        };
        assert_eq!((all(""), all("&state=disabled"), all("&state=active")), (9, 1, 8));
        assert_eq!(get(&potluck, "/pool/admin/v1/status")["keys"]["disabled"], 1);
    }
}

/// Every route that changes something, as the description has it, with an id where one belongs.
fn changes(id: &str) -> Vec<(String, String)> {
    let described: Value =
        serde_json::from_str(include_str!("../../../../docs/openapi.json")).unwrap();
    let mut changes = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap().keys().filter(|method| *method != "get");
        changes.extend(methods.map(|m| (m.to_uppercase(), path.replace("{id}", id))));
    }
    changes
}

#[test]
fn every_change_wants_the_token_from_this_site_and_few_tries() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let changes = changes(&id(&potluck, 1));
    assert!(changes.len() >= 11, "{changes:?}");
    for (method, target) in &changes {
        let bare = Ask::new(method, target).body("{}");
        assert_eq!(potluck.ask(bare).reason(), "POOL_NOT_ADMIN", "{method} {target}");
        for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]
        {
            let sent = ask(&potluck, method, target).header(name, value).body("{}");
            let answer = potluck.ask(sent);
            let told = (answer.status, answer.reason());
            assert_eq!(told, (403, "POOL_CROSS_SITE".to_owned()), "{method} {target}");
        }
    }
    let wrong = || potluck.ask(Ask::get(KEYS).header("authorization", "Bearer guess"));
    for _ in 0..10 {
        assert_eq!(wrong().status, 401);
    }
    let waits = wrong();
    assert_eq!((waits.status, waits.reason().as_str()), (429, "POOL_TOO_MANY_TRIES"));
    assert!(waits.header("retry-after").is_some());
    for (method, target) in &changes {
        let answer = potluck.ask(ask(&potluck, method, target).body("{}"));
        assert_eq!(answer.status, 429, "none is compared meanwhile: {method} {target}");
    }
    assert_eq!(get_me(&potluck), "active");
}

#[test]
fn a_paste_of_ten_thousand_bad_lines_is_told_line_by_line_and_the_good_ones_are_taken() {
    let sim = sim(0);
    let potluck = Potluck::start(&sim);
    let line = |n: usize| if n.is_multiple_of(3) { key(n) } else { format!("no key {n}") };
    let text: Vec<String> = (1..=15_000).map(line).collect();

    let told = add(&potluck, &text.join("\n")).json();

    assert_eq!((&told["added"], &told["bad"]), (&json!(5_000), &json!(10_000)));
    for (told, number) in told["lines"].as_array().unwrap().iter().zip(1..) {
        let expected = if number % 3 == 0 { "added" } else { "bad" };
        assert_eq!((&told["line"], &told["became"]), (&json!(number), &json!(expected)));
    }
}

fn get_me(potluck: &Potluck) -> String {
    potluck.me(&key(1))["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_bad_request_says_what_is_wrong() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let one = format!("{KEYS}/{}", id(&potluck, 1));
    for (method, target, body, status) in [
        ("GET", "/pool/admin/v1/keys?state=happy", "", 400),
        ("GET", "/pool/admin/v1/keys?limit=0", "", 400),
        ("GET", "/pool/admin/v1/nothing", "", 404),
        ("PUT", KEYS, "", 405),
        ("PATCH", one.as_str(), r#"{"disabled":"yes"}"#, 400),
        ("PATCH", one.as_str(), "", 400),
        ("GET", "/pool/admin/v1/keys/k_00", "", 404),
    ] {
        let answer = potluck.ask(ask(&potluck, method, target).body(body));
        assert_eq!(answer.status, status, "{method} {target} {answer:?}");
        assert!(answer.reason().starts_with("POOL_"));
    }
}

/// The command, speaking to that server; what it printed, and its code.
fn command(potluck: &Potluck, words: &[&str]) -> (String, Option<i32>) {
    let ended = run(&mut potluck.command(words));
    (ended.out, ended.code)
}

#[test]
fn the_command_line_does_what_the_api_does() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 1);
    let file = potluck.data().join("keys.txt");
    std::fs::write(&file, format!("{}\nnonsense\n{}\n", key(2), key(1))).unwrap();

    let (said, code) = command(&potluck, &["keys", "add", file.to_str().unwrap()]);
    assert_eq!(code, Some(1), "a line was not taken");
    assert_eq!(said, "line 2: not a Gemini API key by its form\n1 added, 1 known before\n");
    let second = id(&potluck, 2);
    let (said, code) = command(&potluck, &["keys", "disable", &second]);
    assert_eq!((said, code), (format!("{second}  disabled\n"), Some(0)));
    let (said, _) = command(&potluck, &["keys", "list", "--state", "disabled"]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() == 2 && lines[1].starts_with(&second), "{said}");
    let (said, _) = command(&potluck, &["keys", "list", "--json"]);
    let listed: Vec<Value> = serde_json::from_str(&said).unwrap();
    assert_eq!(listed.len(), 2);
    let (said, code) = command(&potluck, &["keys", "enable", &second, "k_nobody"]);
    assert_eq!(code, Some(1), "one of them is unknown");
    assert!(said.starts_with(&format!("{second}  enabled\nk_nobody  failed")), "{said}");
    assert_eq!(command(&potluck, &["keys", "remove", &second]).1, Some(0));
    let (said, code) = command(&potluck, &["status", "--json"]);
    let status: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&status["keys"]["serving"], code), (&json!(1), Some(0)));
    let (said, _) = command(&potluck, &["status"]);
    assert!(said.contains("serving"), "{said}");
}
