//! What the operators' page needs of `/pool/admin/v1`.

use serde_json::{Value, json};

use crate::common::raw::{Answer, Ask};
use crate::common::serving::{Potluck, key, sim};

const ROOT: &str = "/pool/admin/v1";

fn ask(potluck: &Potluck, method: &str, path: &str) -> Ask {
    let token = format!("Bearer {}", potluck.admin_token());
    Ask::new(method, &format!("{ROOT}{path}")).header("authorization", &token)
}

fn get(potluck: &Potluck, path: &str) -> Value {
    let answer = potluck.ask(ask(potluck, "GET", path));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn id(potluck: &Potluck, number: usize) -> String {
    potluck.me(&key(number))["id"].as_str().unwrap().to_owned()
}

fn sign_in(potluck: &Potluck, token: &str) -> Answer {
    let ask = Ask::new("POST", &format!("{ROOT}/session"));
    potluck.ask(ask.json(&json!({ "token": token })))
}

#[test]
fn a_session_stands_for_the_token_until_it_is_ended_and_only_for_our_pages() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let begun = sign_in(&potluck, &potluck.admin_token());
    let cookie = begun.header("set-cookie").unwrap().to_owned();
    for rule in ["__Host-potluck=", "Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(rule), "{cookie}");
    }
    assert!(!cookie.contains(&*potluck.admin_token()));
    let pair = cookie.split(';').next().unwrap();
    let with = |method: &str, path: &str, page: bool| {
        let ask = Ask::new(method, &format!("{ROOT}{path}")).header("cookie", pair);
        potluck.ask(if page { ask.header("x-potluck-page", "1") } else { ask }).status
    };

    assert_eq!(with("GET", "/status", true), 200);
    assert_eq!(with("GET", "/status", false), 401, "a link or a form of anybody's");
    assert_eq!(with("GET", "/session", true), 200);
    assert_eq!(with("DELETE", "/session", true), 204);
    assert_eq!(with("GET", "/status", true), 401);
    assert_eq!(sign_in(&potluck, "guess").reason(), "POOL_NOT_ADMIN");
    (0..9).for_each(|_| drop(sign_in(&potluck, "guess")));
    assert_eq!(sign_in(&potluck, "guess").reason(), "POOL_TOO_MANY_TRIES");
}

#[test]
fn keys_are_found_by_a_part_of_their_id_and_by_why_they_are_out() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    let second = id(&potluck, 2);
    let changes = json!({ "do": "disable", "keys": [second, "k_nobody"] });
    let changed = potluck.ask(ask(&potluck, "POST", "/keys/changes").json(&changes)).json();
    assert_eq!(changed, json!({ "done": 1, "unknown": 1 }));
    let found = |query: &str| {
        let page = get(&potluck, &format!("/keys?{query}"));
        let keys = page["keys"].as_array().unwrap().iter();
        keys.map(|key| key["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    assert_eq!(found(&format!("text={}", &second[..8])), [second.as_str()]);
    assert_eq!(found("text=THE+Operator+has"), [second.as_str()]);
    assert_eq!(found("text=operator&state=active").len(), 0);
    assert_eq!(found("").len(), 3);
}

#[test]
fn who_looks_on_sees_what_happens_from_then_on_and_nothing_twice() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let first = get(&potluck, "/sights");
    assert_eq!(first["sights"], json!([]));
    assert_eq!(potluck.generate(&key(1), "x").status, 200);
    let second = id(&potluck, 2);
    let out = ask(&potluck, "PATCH", &format!("/keys/{second}")).json(&json!({"disabled": true}));
    assert_eq!(potluck.ask(out).status, 200);

    let seen = get(&potluck, &format!("/sights?after={}", first["last"].as_str().unwrap()));
    let told = |at: usize, what: &str| seen["sights"][at][what].as_str().unwrap_or("").to_owned();
    assert_eq!((told(0, "what"), told(0, "verdict")), ("attempt".into(), "served".into()));
    assert_eq!((told(1, "what"), told(1, "key")), ("out".into(), second));
    let again = get(&potluck, &format!("/sights?after={}", seen["last"].as_str().unwrap()));
    assert_eq!(again["sights"], json!([]));
}

#[test]
fn the_settings_in_force_are_told_with_who_decided_each() {
    let sim = sim(1);
    let potluck = Potluck::with(&sim.url(), &["--parts", "4"]);
    let told = get(&potluck, "/settings");
    let of = |name: &str| {
        let mut all = told["settings"].as_array().unwrap().iter();
        all.find(|setting| setting["name"] == name).unwrap().clone()
    };
    assert_eq!(of("parts"), json!({ "name": "parts", "value": "4", "from": "--parts" }));
    assert_eq!(of("connect-timeout")["from"], "default");
}
