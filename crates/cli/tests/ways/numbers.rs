//! Pages, API and metrics tell the same numbers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gemini_sim::{Act, KeyState, Rule};
use serde_json::{Value, json};

use crate::common::raw::Ask;
use crate::common::serving::{MODEL, Potluck, generate, key, prompt, sim, stream};

const KEYS: usize = 6;
const THREADS: usize = 4;
const EACH: usize = 2_500;

/// What callers have met.
#[derive(Default)]
struct Met {
    served: AtomicU64,
    failed: AtomicU64,
    at_fault: AtomicU64,
}

#[test]
fn ten_thousand_mixed_exchanges_are_counted_alike_everywhere() {
    let sim = sim(KEYS);
    let potluck = Potluck::joined(&sim, KEYS);
    sim.set_state(&key(5), KeyState::Invalid);
    sim.set_state(&key(6), KeyState::Sample("quota_free_per_day".into()));
    sim.rule(Rule::next(4_000, Act::Sample("service_unavailable".into())));
    let met = Met::default();

    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (potluck, met) = (&potluck, &met);
            scope.spawn(move || (0..EACH).for_each(|n| call(potluck, met, thread, n)));
        }
    });

    let served = met.served.load(Relaxed) + KEYS as u64;
    let mixed = [served > 4_000, met.at_fault.load(Relaxed) > 500, met.failed.load(Relaxed) > 0];
    assert_eq!(mixed, [true; 3], "a mixture");
    let status = operate(&potluck, "/status");
    let pool = potluck.get("/pool", None).json();
    let numbers = potluck.get("/metrics", None).text();
    let used = operate(&potluck, "/usage?days=2");
    let in_metrics = |line: &str| {
        let told = numbers.lines().find_map(|one| one.strip_prefix(line));
        told.unwrap_or_else(|| panic!("{line}\n{numbers}")).trim().parse::<u64>().unwrap()
    };
    let in_hours = |what: &str| sum(pool["hours"].as_object().unwrap().values(), what);
    let of_models = |part: &str, what: &str| {
        let days = used["days"].as_array().unwrap().iter();
        let models = days.flat_map(|day| day["models"].as_object().unwrap().values());
        models.map(|model| model[part][what].as_u64().unwrap()).sum::<u64>()
    };
    let of_keys = |part: &str, what: &str| {
        (1..=KEYS).map(|n| potluck.me(&key(n))[part][what].as_u64().unwrap()).sum::<u64>()
    };
    let exchanges = (THREADS * EACH + KEYS) as u64;
    for (what, told, expected) in [
        ("begun, in the status", number(&status["exchanges"]["begun"]), exchanges),
        ("begun, in the metrics", in_metrics("potluck_exchanges_total"), exchanges),
        ("served, by the hour", in_hours("served"), served),
        ("served, in the status", number(&status["attempts"]["served"]), served),
        ("served, in the metrics", in_metrics("potluck_attempts_total{kind=\"served\"}"), served),
        ("served, in the hour's verdicts", number(&pool["lastHour"]["served"]), served),
        ("served, by day", of_models("own", "calls") + of_models("lent", "calls"), served),
        ("lent is borrowed", of_models("lent", "calls"), of_models("borrowed", "calls")),
        ("tokens, too", of_models("lent", "tokens"), of_models("borrowed", "tokens")),
        ("lent, as contributors see it", of_keys("lent", "calls"), of_models("lent", "calls")),
        ("borrowed", of_keys("borrowed", "calls"), of_models("borrowed", "calls")),
        ("lent tokens", of_keys("lent", "tokens"), of_models("lent", "tokens")),
        ("failed, by the hour", in_hours("failed"), met.failed.load(Relaxed)),
        ("keys out", number(&status["keys"]["disabled"]), 1),
        ("keys out, in public", number(&pool["keys"]["disabled"]), 1),
        ("keys out, in the metrics", in_metrics("potluck_keys{kind=\"disabled\"}"), 1),
    ] {
        assert_eq!(told, expected, "{what}");
    }
    let mine = potluck.get("/pool/me/usage?days=1", Some(&key(1))).json();
    let today = sum(mine["days"][0]["models"].as_object().unwrap().values(), "failed");
    assert_eq!(mine["days"].as_array().unwrap().len(), 1);
    assert!(today <= met.failed.load(Relaxed));
}

/// One of ten calls goes wrong by its caller's fault, two are streams.
fn call(potluck: &Potluck, met: &Met, thread: usize, n: usize) {
    let bearer = key(1 + thread);
    let answer = potluck.ask(match n % 10 {
        0 => Ask::post("/v1beta/models/no-such-model:generateContent")
            .header("x-goog-api-key", &bearer)
            .json(&prompt("x")),
        1 | 2 => stream(&bearer, "x"),
        _ => generate(&bearer, "x"),
    });
    let count = match answer.status {
        200 => &met.served,
        404 => &met.at_fault,
        _ => &met.failed,
    };
    count.fetch_add(1, Relaxed);
}

fn operate(potluck: &Potluck, path: &str) -> Value {
    let token = format!("Bearer {}", potluck.admin_token());
    let ask = Ask::get(&format!("/pool/admin/v1{path}")).header("authorization", &token);
    let answer = potluck.ask(ask);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

fn sum<'v>(all: impl Iterator<Item = &'v Value>, what: &str) -> u64 {
    all.map(|one| number(&one[what])).sum()
}

#[test]
fn use_by_day_outlives_a_restart_and_goes_with_its_key() {
    let sim = sim(2);
    let mut potluck = Potluck::joined(&sim, 2);
    (0..5).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200));
    let of = |potluck: &Potluck, part: &str| {
        let told = potluck.get("/pool/me/usage", Some(&key(1))).json();
        let days = told["days"].as_array().unwrap();
        assert_eq!(days.len(), 30);
        number(&days[29]["models"][MODEL][part]["calls"])
    };
    let before = (of(&potluck, "own"), of(&potluck, "borrowed"));
    assert_eq!(before.0 + before.1, 6, "the call by which it joined among them");
    potluck.restart();
    assert_eq!((of(&potluck, "own"), of(&potluck, "borrowed")), before);
    potluck.generate(&key(1), "x");
    assert_eq!(of(&potluck, "own") + of(&potluck, "borrowed"), 7);

    let table = |potluck: &Potluck| {
        let token = format!("Bearer {}", potluck.admin_token());
        let csv = Ask::get("/pool/admin/v1/usage.csv").header("authorization", &token);
        potluck.ask(csv).text()
    };
    let id = potluck.me(&key(1))["id"].as_str().unwrap().to_owned();
    assert!(table(&potluck).contains(&id));
    let withdrawn = Ask::new("DELETE", "/pool/me").header("x-goog-api-key", &key(1));
    assert_eq!(potluck.ask(withdrawn).status, 204);
    assert!(!table(&potluck).contains(&id));
    assert_eq!(potluck.get("/pool/me/usage", Some(&key(1))).reason(), "POOL_UNKNOWN_KEY");
    assert_eq!(operate(&potluck, "/usage")["days"].as_array().unwrap().len(), 30);
    assert_eq!(potluck.get("/pool/me/usage?days=91", Some(&key(2))).status, 400);
    assert_eq!(json!(potluck.me(&key(2))["state"]), "active");
}
