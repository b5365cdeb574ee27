//! The pool in numbers, for operators: OpenMetrics text.
//!
//! Rule: label values come from tables in the core, never from a request. The numbers go by JSON in
//! between, so that those of a pool in several parts can be added up.

use potluck_core::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

/// The content type of [`text`].
pub const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// An empty registry, with the name that all our numbers begin with.
pub fn registry() -> Registry {
    Registry::with_prefix("potluck")
}

/// Everything that is registered, as text.
pub fn text(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = encode(&mut text, registry);
    text
}

/// What a pool counts.
pub fn told(pool: &Metrics) -> Value {
    let named = |counts: &[(&'static str, u64)]| -> Value {
        counts.iter().map(|(name, n)| ((*name).to_owned(), Value::from(*n))).collect()
    };
    let keys = pool.keys;
    json!({
        "verdicts": named(&pool.verdicts),
        "refusals": named(&pool.refusals),
        "cooldowns": named(&pool.cooldowns),
        "exchanges": pool.exchanges,
        "ended": named(&pool.ended),
        "waited": pool.waited,
        "tokens": { "all": pool.tokens[0], "prompt": pool.tokens[1] },
        "kept": pool.kept_conversations,
        "underWay": pool.under_way,
        "keys": {
            "serving": keys.serving,
            "resting": keys.resting,
            "held": keys.held,
            "paused": keys.paused,
            "disabled": keys.disabled,
        },
    })
}

/// Registers what [`told`] tells.
pub fn register(registry: &mut Registry, told: &Value) {
    counts(registry, "attempts", "Attempts upstream by verdict", &named(&told["verdicts"]));
    counts(registry, "refusals", "Calls refused here, by reason", &named(&told["refusals"]));
    counts(registry, "cooldowns", "Cooldowns begun, by cause", &named(&told["cooldowns"]));
    count(registry, "exchanges", "Calls begun", number(&told["exchanges"]));
    counts(registry, "exchanges_ended", "Calls that ended, by outcome", &named(&told["ended"]));
    count(registry, "waited", "Calls told to wait for a key", number(&told["waited"]));
    let tokens = "Tokens of served calls; the prompts' are among all";
    counts(registry, "tokens", tokens, &named(&told["tokens"]));
    let kept = "Turns served with the key of the turn before";
    count(registry, "kept_conversations", kept, number(&told["kept"]));
    gauge(registry, "exchanges_under_way", "Calls under way", number(&told["underWay"]));
    let family = Family::<Kind, Gauge>::default();
    for (kind, keys) in named(&told["keys"]) {
        let kind = kind.to_owned();
        family.get_or_create(&Kind { kind }).set(i64::try_from(keys).unwrap_or(i64::MAX));
    }
    registry.register("keys", "Keys by state", family);
}

/// Registers counts by kind.
pub fn counts(registry: &mut Registry, name: &str, help: &str, counts: &[(&str, u64)]) {
    let family = Family::<Kind, Counter>::default();
    for (kind, count) in counts {
        family.get_or_create(&Kind { kind: (*kind).to_owned() }).inc_by(*count);
    }
    registry.register(name, help, family);
}

/// Registers a count.
pub fn count(registry: &mut Registry, name: &str, help: &str, count: u64) {
    let counter = Counter::<u64>::default();
    counter.inc_by(count);
    registry.register(name, help, counter);
}

/// Registers a number that goes up and down.
pub fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    registry.register(name, help, gauge);
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

fn named(counts: &Value) -> Vec<(&str, u64)> {
    let counts = counts.as_object().into_iter().flatten();
    counts.map(|(name, n)| (name.as_str(), number(n))).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    #[test]
    fn the_numbers_of_two_pools_are_added_up() {
        let pool = Metrics {
            exchanges: 3,
            verdicts: vec![("served", 2), ("day-quota", 1)],
            ..Metrics::default()
        };
        let told = table::together(told(&pool), told(&pool));
        let mut registry = registry();
        register(&mut registry, &told);

        let text = text(&registry);

        assert!(text.contains("potluck_exchanges_total 6"), "{text}");
        assert!(text.contains("potluck_attempts_total{kind=\"served\"} 4"), "{text}");
        assert!(text.contains("potluck_keys{kind=\"serving\"} 0"), "{text}");
    }
}
