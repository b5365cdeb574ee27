//! Answers as D1 gives them, and what is read from them.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

/// Per statement: its rows, and how many it changed.
struct Given(Vec<(Value, usize)>);

impl Answers for Given {
    fn rows<T: for<'r> Deserialize<'r>>(&self, place: usize) -> Result<Vec<T>, Malformed> {
        serde_json::from_value(self.0[place].0.clone()).map_err(|_| Malformed)
    }

    fn changes(&self, place: usize) -> Result<usize, Malformed> {
        Ok(self.0[place].1)
    }
}

fn given<const N: usize>(rows: [Value; N]) -> Given {
    Given(rows.map(|rows| (rows, 0)).into())
}

fn key(state: &str, reason: Value) -> Value {
    json!({ "id": vec![7; 16], "sealed": [1, 2], "joined_at": 1_790_000_000_000_i64, "state": state,
        "reason": reason, "changed_at": 5, "paused": 1, "borrow": 0, "lend_per_day": null,
        "lend_models": "a\nb" })
}

#[test]
fn a_key_is_read_with_all_its_columns() {
    let none = json!([]);
    let keys = json!([key("disabled", json!("API_KEY_INVALID"))]);
    let learned = json!([{ "key_id": vec![7; 16], "day": 9, "facts": "x" }]);
    let quotas = json!([{ "part": 3, "scope": "all", "day": 9, "facts": "y" }]);
    let barred = json!([{ "id": vec![8; 16] }]);
    let [rests, used, totals, stones] = [none.clone(), none.clone(), none.clone(), none];
    let answers = given([keys, rests, used, totals, stones, learned, quotas, barred]);

    let snapshot = snapshot(&answers).unwrap();

    let key = &snapshot.keys[0];
    assert_eq!((key.id, key.joined_at, key.changed_at), ([7; 16], 1_790_000_000_000, 5));
    assert_eq!(key.state, KeyState::Disabled { reason: "API_KEY_INVALID".to_owned() });
    assert!(key.limits.paused && !key.limits.borrow);
    assert_eq!(key.limits.lend_models.as_deref().unwrap(), ["a", "b"]);
    let (learned, quota) = (&snapshot.learned[0], &snapshot.quotas[0]);
    assert_eq!((learned.key, learned.day, &*learned.facts), ([7; 16], 9, "x"));
    assert_eq!((quota.part, &*quota.scope, quota.day, &*quota.facts), (3, "all", 9, "y"));
    assert_eq!(snapshot.barred, [[8; 16]]);
}

#[test]
fn a_row_that_is_not_as_its_table_says_is_told() {
    for bad in
        [key("asleep", json!(null)), key("disabled", json!(null)), json!({ "id": vec![7; 15] })]
    {
        let none = json!([]);
        let answers = given([json!([bad]), none.clone(), none.clone(), none.clone(), none]);
        assert_eq!(snapshot(&answers), Err(Malformed));
    }
}

#[test]
fn adding_a_key_has_three_endings() {
    let ending =
        |changes, stones: Value| inserted(&Given(vec![(json!([]), changes), (stones, 0)])).unwrap();
    assert_eq!(ending(1, json!([])), Inserted::Stored);
    assert_eq!(ending(0, json!([{ "1": 1 }])), Inserted::Withdrawn);
    assert_eq!(ending(0, json!([])), Inserted::Already);
}

#[test]
fn a_record_is_read_whoever_wrote_it() {
    let wranglers = json!([{ "id": 1, "name": "0001_keys.sql", "applied_at": "2026-11-25" }]);
    let ours = json!([{ "id": 1, "name": "0001_keys.sql", "checksum": "abc" }]);
    assert_eq!(record(&given([wranglers])).unwrap()[0].checksum, None);
    assert_eq!(record(&given([ours])).unwrap()[0].checksum.as_deref(), Some("abc"));
}
