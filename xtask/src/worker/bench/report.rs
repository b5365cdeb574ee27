//! What was measured, each figure beside its bar.

use super::{CONNECTIONS, Kind, Measured, Options, Start, Statements, Turn, Who, world};
use crate::Result;
use crate::bench::{NOISE, machine};
use serde_json::json;

/// Ours decides more than the original, without asking D1, and is to cost half of it.
const RATIO: f64 = 0.5;
/// Milliseconds from when the port is open until the first call is answered.
const FIRST_CALL: f64 = 100.0;
/// What D1 may be asked for 10,000 calls by known keys in five minutes.
const STATEMENTS: u64 = 100;

/// A line while it goes on.
pub fn progress(round: usize, turn: &Turn) -> String {
    let load = &turn.metered.load;
    format!(
        "round {round}  {:6} {:9} {:>7.0}/s  {:>7.1} us CPU  p50 {:>7.0} us  others {:.2} cores",
        match turn.kind {
            Kind::Json => "json",
            Kind::Burst => "burst",
            _ => "steady",
        },
        name(turn.who),
        load.per_second,
        turn.metered.cpu_us,
        load.p50_us,
        turn.metered.others
    )
}

/// How a Worker is called in the tables.
pub fn name(who: Who) -> &'static str {
    match who {
        Who::Potluck => "Potluck",
        Who::Original => "original",
    }
}

/// The end.
pub fn print(measured: &Measured, options: &Options) -> Result {
    if options.json {
        let bars = json!({"ratio": RATIO, "first_call_ms": FIRST_CALL, "statements": STATEMENTS});
        let document = json!({
            "machine": machine(), "versions": world::versions(), "bars": bars, "measured": measured,
        });
        let text = serde_json::to_string_pretty(&document).map_err(|e| e.to_string())?;
        println!("{text}");
        return Ok(());
    }
    println!("\nMachine: {}\n{}", machine(), world::versions());
    let (bundle, folder) = (measured.bundle.display(), measured.folder.display());
    println!("Potluck: {bundle}; original: crates/worker/bench/original.ts");
    println!("Both know the same {CONNECTIONS} keys; D1 and objects are in workerd, in {folder}");
    if !measured.turns.is_empty() {
        noise(&measured.turns);
    }
    for kind in [Kind::Json, Kind::Burst, Kind::Steady] {
        turns(kind, &measured.turns, options.connections);
    }
    starts(&measured.starts);
    measured.statements.iter().for_each(statements);
    Ok(())
}

fn noise(turns: &[Turn]) {
    let failed: u64 = turns.iter().map(|turn| turn.metered.load.failed).sum();
    println!("Answers that were not whole: {failed}");
    let noise = turns.iter().map(|turn| turn.metered.others).fold(0.0, f64::max);
    if noise > NOISE {
        println!("Others used up to {noise:.2} cores: read times with care, ratios less so");
    }
}

fn turns(kind: Kind, turns: &[Turn], connections: usize) {
    let of = |who, figure: fn(&Turn) -> f64| {
        let mine = turns.iter().filter(|turn| turn.kind == kind && turn.who == who);
        mine.map(figure).collect::<Vec<f64>>()
    };
    let cpu = |who| of(who, |turn| turn.metered.cpu_us);
    if turns.iter().all(|turn| turn.kind != kind) {
        return;
    }
    println!("\n{}, {connections} connections: CPU of workerd for each", title(kind));
    for who in super::EVERYBODY {
        let Some(middle) = median(&cpu(who)) else { continue };
        let rate = median(&of(who, |turn| turn.metered.load.per_second)).unwrap_or_default();
        println!("  {:9} {middle:>7.1} us   {rate:>6.0}/s   all {}", name(who), list(&cpu(who)));
    }
    if let (Some(ours), Some(theirs)) = (median(&cpu(Who::Potluck)), median(&cpu(Who::Original))) {
        let ratio = ours / theirs;
        println!("  Potluck / original: {ratio:.2}, bar {RATIO:.2}: {}", verdict(ratio <= RATIO));
    }
}

fn starts(starts: &[Start]) {
    if starts.is_empty() {
        return;
    }
    println!("\nFirst call of a fresh workerd, from when its port is open until it is answered");
    for who in super::EVERYBODY {
        let mine = starts.iter().filter(|start| start.who == who);
        let mine: Vec<f64> = mine.map(|start| start.ms).collect();
        let Some(middle) = median(&mine) else { continue };
        let bar = match who {
            Who::Potluck => format!("bar {FIRST_CALL:.0} ms: {}   ", verdict(middle < FIRST_CALL)),
            Who::Original => String::new(),
        };
        println!("  {:9} {middle:>7.1} ms   {bar}all {}", name(who), list(&mine));
    }
}

fn statements(found: &Statements) {
    let Statements { calls, seconds, waking, calling } = found;
    let all = waking + calling;
    println!("\nStatements to D1 for {calls} calls by known keys in {seconds:.0} s");
    println!(
        "  Potluck   {all}, of these {waking} to wake up   bar {STATEMENTS} for 10000 calls in \
              five minutes: {}",
        verdict(all <= STATEMENTS)
    );
    println!("  original  {}, two for each call by what it is", calls * 2);
}

fn verdict(kept: bool) -> &'static str {
    if kept { "kept" } else { "MISSED" }
}

fn list(values: &[f64]) -> String {
    values.iter().map(|value| format!("{value:.1}")).collect::<Vec<_>>().join(" ")
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Json => "Small JSON",
        Kind::Burst => "Streams of 20 events in a burst",
        _ => "Streams of 20 events a millisecond apart",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
