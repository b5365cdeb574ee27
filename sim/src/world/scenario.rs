//! The scenarios by name.

use clap::ValueEnum;
use serde::Serialize;

/// What a world is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Free keys, appetites of every kind.
    Mixed,
    /// The same, and one contributor who asks for ten times the pool.
    Greedy,
    /// Keys die, come back, and join in mid-run.
    Churn,
    /// A third of the keys share projects, which nobody tells.
    Projects,
    /// Paid keys, bound by the minute alone.
    Minute,
    /// Some keys have no quota for one of the models.
    Zero,
    /// `mixed`, with the pool's keys lent ahead to isolates, as at the edge.
    Leases,
    /// `mixed`, with the keys split over sixteen pools.
    #[value(name = "shards-16")]
    #[serde(rename = "shards-16")]
    Shards16,
    /// For ten minutes Google refuses the place we call from, or every key.
    Block,
    /// For ten minutes Google serves nobody.
    Outage,
    /// Fifty dead keys are shown at once; on another day fifty good ones die at once.
    Attacker,
}

impl Scenario {
    /// In the order of the study.
    pub const ALL: [Scenario; 11] = [
        Scenario::Mixed,
        Scenario::Greedy,
        Scenario::Churn,
        Scenario::Projects,
        Scenario::Minute,
        Scenario::Zero,
        Scenario::Leases,
        Scenario::Shards16,
        Scenario::Block,
        Scenario::Outage,
        Scenario::Attacker,
    ];

    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Mixed => "mixed",
            Scenario::Greedy => "greedy",
            Scenario::Churn => "churn",
            Scenario::Projects => "projects",
            Scenario::Minute => "minute",
            Scenario::Zero => "zero",
            Scenario::Leases => "leases",
            Scenario::Shards16 => "shards-16",
            Scenario::Block => "block",
            Scenario::Outage => "outage",
            Scenario::Attacker => "attacker",
        }
    }

    /// Whether other policies have something to show in it: they know no leases and no shards.
    pub fn is_for_all(self) -> bool {
        !matches!(self, Scenario::Leases | Scenario::Shards16)
    }
}
