//! Alarms: what stands now, and what was told of late.
//!
//! Rule: an alarm that stands is raised once and cleared once, however often its cause is seen; what
//! happens and is over is told. None holds a key: keys go by their ids.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use potluck_core::{KeyId, Wall};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::me::time;

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Few keys can serve.
    PoolLow,
    /// Google refuses the place we call from.
    OurPlace,
    /// Many keys are refused at once, and held.
    Everyone,
    /// The data cannot be written.
    Store,
    /// A key died.
    KeyDied,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] =
        [Kind::PoolLow, Kind::OurPlace, Kind::Everyone, Kind::Store, Kind::KeyDied];

    fn name(self) -> &'static str {
        match self {
            Kind::PoolLow => "pool-low",
            Kind::OurPlace => "our-place",
            Kind::Everyone => "everyone",
            Kind::Store => "store",
            Kind::KeyDied => "key-died",
        }
    }

    /// What is wrong.
    pub fn sentence(self) -> &'static str {
        match self {
            Kind::PoolLow => "few of the keys can serve: most rest or are out of service",
            Kind::OurPlace => "Google refuses the place we call from; no key is to blame",
            Kind::Everyone => "many keys are refused at once; they are held until a probe decides",
            Kind::Store => "the data cannot be written: new keys do not outlive a restart",
            Kind::KeyDied => "a key is out of service",
        }
    }
}

/// What became of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Raised,
    Cleared,
    Told,
}

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    kind: Kind,
    change: Change,
    at: Wall,
    key: Option<KeyId>,
    why: &'static str,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Alarms {
    standing: Vec<(Kind, Wall)>,
    late: VecDeque<Notice>,
}

impl Alarms {
    /// Whether an alarm stands is known anew; a notice if it changed.
    pub fn set(&mut self, kind: Kind, stands: bool, now: Wall) -> Option<Notice> {
        let before = self.standing.iter().position(|(one, _)| *one == kind);
        let change = match (before, stands) {
            (None, true) => {
                self.standing.push((kind, now));
                Change::Raised
            }
            (Some(at), false) => {
                self.standing.remove(at);
                Change::Cleared
            }
            _ => return None,
        };
        Some(self.note(Notice { kind, change, at: now, key: None, why: kind.sentence() }))
    }

    /// A key died.
    pub fn key_died(&mut self, key: KeyId, why: &'static str, now: Wall) -> Notice {
        let (kind, change) = (Kind::KeyDied, Change::Told);
        self.note(Notice { kind, change, at: now, key: Some(key), why })
    }

    fn note(&mut self, notice: Notice) -> Notice {
        if self.late.len() == KEPT {
            self.late.pop_front();
        }
        self.late.push_back(notice.clone());
        notice
    }

    /// As operators read it.
    pub fn told(&self) -> Told {
        let standing = self.standing.iter().map(|(kind, since)| Standing {
            alarm: kind.name(),
            what: kind.sentence(),
            since: time(*since),
        });
        let late = self.late.iter().rev().map(Notice::told);
        Told { standing: standing.collect(), late: late.collect() }
    }
}

impl Notice {
    /// As it is told.
    pub fn told(&self) -> Late {
        Late {
            alarm: self.kind.name(),
            change: match self.change {
                Change::Raised => "raised",
                Change::Cleared => "cleared",
                Change::Told => "told",
            },
            what: self.why,
            at: time(self.at),
            key: self.key.map(|id| id.to_string()),
        }
    }
}

/// Alarms, as operators read them.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Alarms")]
pub struct Told {
    /// Those that stand.
    standing: Vec<Standing>,
    /// What was told of late, the latest first.
    late: Vec<Late>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Standing {
    alarm: &'static str,
    what: &'static str,
    since: String,
}

/// One that was told.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "LateAlarm")]
pub struct Late {
    /// `pool-low`, `our-place`, `everyone`, `store` or `key-died`.
    alarm: &'static str,
    /// `raised`, `cleared`, or `told` where nothing stands.
    change: &'static str,
    what: &'static str,
    at: String,
    /// The id of the key that it is about.
    key: Option<String>,
}

impl Late {
    /// When, as RFC 3339 has it.
    pub fn at(&self) -> &str {
        &self.at
    }
}

/// What the parts of a pool have told each by itself, as if one had told it: what stands in several
/// stands since the first, and of the late ones only the latest are told.
pub fn together(parts: impl IntoIterator<Item = Value>) -> Value {
    let (mut standing, mut late) = (BTreeMap::<String, Value>::new(), Vec::new());
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    for mut part in parts {
        let mut list =
            |name: &str| part[name].as_array_mut().map(std::mem::take).unwrap_or_default();
        for one in list("standing") {
            let kind = standing.entry(text(&one, "alarm")).or_insert_with(|| one.clone());
            if text(&one, "since") < text(kind, "since") {
                *kind = one;
            }
        }
        late.extend(list("late"));
    }
    late.sort_by_cached_key(|one| Reverse(text(one, "at").trim_end_matches('Z').to_owned()));
    late.truncate(KEPT);
    json!({ "standing": standing.into_values().collect::<Vec<_>>(), "late": late })
}

/// Notices kept: more than anybody reads.
const KEPT: usize = 100;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_alarm_is_raised_once_and_cleared_once() {
        let mut alarms = Alarms::default();
        assert!(alarms.set(Kind::PoolLow, false, Wall(1)).is_none());
        assert_eq!(alarms.set(Kind::PoolLow, true, Wall(2)).unwrap().change, Change::Raised);
        assert!(alarms.set(Kind::PoolLow, true, Wall(3)).is_none());
        assert_eq!(alarms.told().standing.len(), 1);
        assert_eq!(alarms.set(Kind::PoolLow, false, Wall(4)).unwrap().change, Change::Cleared);
        assert_eq!((alarms.told().standing.len(), alarms.told().late.len()), (0, 2));
    }

    #[test]
    fn what_several_parts_tell_is_told_once_and_the_latest_first() {
        let (mut one, mut other) = (Alarms::default(), Alarms::default());
        one.set(Kind::Store, true, Wall(2_500));
        other.set(Kind::Store, true, Wall(1_000));
        other.key_died(KeyId([7; 16]), "dead", Wall(3_000));

        let told = together([json!(one.told()), json!(other.told())]);

        let times = |list: &str, name: &str| {
            let each = told[list].as_array().unwrap().iter();
            each.map(|one| one[name].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(times("standing", "since"), [time(Wall(1_000))]);
        assert_eq!(times("late", "at"), [3_000, 2_500, 1_000].map(|at| time(Wall(at))));
    }

    #[test]
    fn only_the_latest_are_kept() {
        let mut alarms = Alarms::default();
        for n in 0..=KEPT as i64 {
            alarms.key_died(KeyId([7; 16]), "dead", Wall(n));
        }
        assert_eq!(alarms.late.len(), KEPT);
        assert_eq!(alarms.late[0].at, Wall(1));
    }
}
