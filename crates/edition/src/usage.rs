//! What was lent, borrowed and used, day by day, as it is told.
//!
//! Rule: days are Google's, which begin at midnight in California, as quotas do; a day on which
//! nothing was used is told as well, so that a list of days has no gaps.

use std::collections::BTreeMap;

use potluck_core::{KeyId, Wall, next_midnight};
use potluck_gemini::answer::Problem;
use potluck_store as store;
use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::bad;
use crate::admin::openapi::{Kind, Parameter};
use crate::{me, rows};

/// The last so many days, the present one among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(u32);

impl Days {
    /// Reads how many are asked for.
    pub fn parse(text: &str) -> Result<Days, Problem> {
        let days = text.parse().ok().filter(|days| (1..=MOST).contains(days));
        days.map(Days).ok_or_else(|| bad("the days are a number from 1 to 90"))
    }

    /// As a contributor asks, whose query may hold more.
    pub fn asked(query: Option<&str>) -> Result<Days, Problem> {
        let pairs = query.unwrap_or_default().split('&');
        let said = pairs.filter_map(|pair| pair.strip_prefix("days=")).next();
        said.map_or(Ok(Days::default()), Days::parse)
    }

    /// How many.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The first of them.
    pub fn since(self, now: Wall) -> u32 {
        today(now).saturating_sub(self.0 - 1).max(1)
    }
}

impl Default for Days {
    fn default() -> Days {
        Days(USUAL)
    }
}

/// What operators want of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of which days.
    pub days: Days,
    /// Of one key; of all together where none is named.
    pub key: Option<KeyId>,
}

/// What may be asked.
pub const QUERY: &[Parameter] = &[
    Parameter {
        name: "days",
        about: "The last so many days, the present one among them; 30 unless it is said.",
        kind: Kind::Number { least: 1, most: MOST as u64 },
    },
    Parameter { name: "key", about: "Of this key alone.", kind: Kind::Shaped("^k_[0-9a-f]{32}$") },
];

/// Reads what operators ask.
pub fn wanted(query: &str) -> Result<Wanted, Problem> {
    let mut wanted = Wanted::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("days", text)) => wanted.days = Days::parse(text)?,
            Some(("key", text)) => {
                let id = KeyId::parse(text).ok_or_else(|| bad("the key is named by its id"))?;
                wanted.key = Some(id);
            }
            _ => return Err(bad("only days and key can be asked for")),
        }
    }
    Ok(wanted)
}

/// Use by days and models.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Use")]
pub struct Told {
    /// Every day that was asked for, oldest first.
    days: Vec<Day>,
}

/// One day.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Day {
    /// Google's, which begins at midnight in California.
    day: String,
    /// By model; what names none is `other`.
    models: BTreeMap<String, Amount>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Amount {
    /// Served to others.
    lent: Spent,
    /// Served to its bearer by others' keys.
    borrowed: Spent,
    /// Served to its bearer by itself.
    own: Spent,
    /// Calls of its bearer that nobody served.
    failed: u64,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Spent {
    calls: u64,
    tokens: u64,
}

impl Told {
    /// Of what the store holds of those days.
    pub fn of(used: &[store::Usage], days: Days, now: Wall) -> Told {
        let mut told: BTreeMap<u32, BTreeMap<String, Amount>> =
            (days.since(now)..=today(now)).map(|day| (day, BTreeMap::new())).collect();
        for row in used {
            if let Some(models) = told.get_mut(&row.day) {
                models.insert(named(&row.model).to_owned(), Amount::of(&row.amount));
            }
        }
        let days = told.into_iter().map(|(day, models)| Day { day: date(day), models });
        Told { days: days.collect() }
    }
}

impl Amount {
    fn of(amount: &store::UsageTotal) -> Amount {
        Amount {
            lent: Spent { calls: amount.lent_calls, tokens: amount.lent_tokens },
            borrowed: Spent { calls: amount.borrowed_calls, tokens: amount.borrowed_tokens },
            own: Spent { calls: amount.own_calls, tokens: amount.own_tokens },
            failed: amount.failed_calls,
        }
    }
}

/// What is read for a table of so many lines at most: one more, which tells that it is too long.
pub fn each(most: u32) -> store::UseOf {
    store::UseOf::Each { most: most + 1 }
}

/// The same of each key, as comma-separated values; a problem where they are more lines than that.
pub fn csv(used: &[store::Usage], most: u32) -> Result<String, Problem> {
    if used.len() > most as usize {
        return Err(bad(&format!("these are more than {most} lines: ask for fewer days")));
    }
    let mut text = CSV_HEAD.to_owned();
    for row in used {
        let (key, amount) = (KeyId(row.key), &row.amount);
        let counts = [
            amount.lent_calls,
            amount.lent_tokens,
            amount.borrowed_calls,
            amount.borrowed_tokens,
            amount.own_calls,
            amount.own_tokens,
            amount.failed_calls,
        ];
        let counts = counts.map(|count| count.to_string()).join(",");
        let model = quoted(named(&row.model));
        text.push_str(&format!("{},{key},{model},{counts}\r\n", date(row.day)));
    }
    Ok(text)
}

/// A field that no program takes for anything but text: a table's formulas begin with these signs.
fn quoted(text: &str) -> String {
    let safe = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    match safe.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", safe.replace('"', "\"\"")),
        false => safe,
    }
}

fn named(model: &str) -> &str {
    if model.is_empty() { "other" } else { model }
}

fn today(now: Wall) -> u32 {
    rows::day_ending(next_midnight(now))
}

fn date(day: u32) -> String {
    let morning = me::time(Wall(i64::from(day) * 86_400_000));
    morning.split('T').next().unwrap_or_default().to_owned()
}

/// Days that are kept apart.
const MOST: u32 = 90;
/// Days told where nobody says how many.
const USUAL: u32 = 30;
const CSV_HEAD: &str = "day,key,model,lent_calls,lent_tokens,borrowed_calls,borrowed_tokens,\
                        own_calls,own_tokens,failed_calls\r\n";
/// How such a table is labelled.
pub const CSV: &str = "text/csv; charset=utf-8";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Noon in California of the day 20,000.
    const NOON: Wall = Wall(20_000 * 86_400_000 + 20 * 3_600_000);

    fn row(day: u32, model: &str) -> store::Usage {
        let amount = store::UsageTotal { lent_calls: 2, failed_calls: 1, ..Default::default() };
        store::Usage { key: [7; 16], day, model: model.to_owned(), amount }
    }

    #[test]
    fn every_day_is_told_though_nothing_was_used() {
        let days = Days::parse("3").unwrap();
        let told = Told::of(&[row(19_999, "flash"), row(20_000, "")], days, NOON);
        let told = serde_json::to_value(told).unwrap();
        let day = |at: usize| told["days"][at]["day"].as_str().unwrap().to_owned();
        assert_eq!([day(0), day(1), day(2)], ["2024-10-02", "2024-10-03", "2024-10-04"]);
        assert_eq!(told["days"][0]["models"], serde_json::json!({}));
        assert_eq!(told["days"][1]["models"]["flash"]["lent"]["calls"], 2);
        assert_eq!(told["days"][2]["models"]["other"]["failed"], 1);
    }

    #[test]
    fn a_table_of_values_holds_whatever_a_model_is_called_as_text() {
        let text = csv(&[row(20_000, "a,\"b\""), row(20_000, "=1+1")], 2).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("2024-10-04,k_0707"), "{}", lines[1]);
        assert!(lines[1].ends_with(",\"a,\"\"b\"\"\",2,0,0,0,0,0,1"), "{}", lines[1]);
        assert!(lines[2].contains(",'=1+1,"), "{}", lines[2]);
    }

    #[test]
    fn days_are_few_and_all_else_is_refused() {
        for wrong in ["days=0", "days=91", "days=", "key=AIza", "x=1", "days"] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
        assert_eq!(wanted("days=90").unwrap().days.since(NOON), 19_911);
        assert_eq!(Days::asked(Some("key=AIzaX&days=7")).unwrap(), Days(7));
    }
}
