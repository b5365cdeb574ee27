//! What was measured, as tables for people or as JSON.

use super::candidates::Candidate;
use super::pool::Decisions;
use super::{Kind, Metered, Sample};
use crate::Result;
use serde_json::{Value, json};

/// The proxy that all ratios are to.
const MEASURE: &str = "nginx";
/// Cores that others may use before times are doubtful.
pub const NOISE: f64 = 0.13;

/// A line while it goes on.
pub fn progress(round: usize, sample: &Sample) {
    let Sample { candidate, kind, metered: Metered { load, cpu_us, others }, .. } = sample;
    println!(
        "round {round}  {:7} {candidate:9} {:>9.0}/s  {cpu_us:>6.1} us CPU  p50 {:>7.0} us  \
         p99 {:>7.0} us  others {others:.2} cores",
        name(*kind),
        load.per_second,
        load.p50_us,
        load.p99_us
    );
}

/// The end.
pub fn print(
    samples: &[Sample],
    candidates: &[Candidate],
    decisions: Option<&Decisions>,
    json: bool,
) -> Result {
    if json {
        let mut document = document(samples, candidates);
        document["pool"] = json!(decisions);
        let text = serde_json::to_string_pretty(&document).map_err(|e| e.to_string())?;
        println!("{text}");
        return Ok(());
    }
    println!("\nMachine: {}", machine());
    for candidate in candidates.iter().filter(|candidate| candidate.server.is_some()) {
        println!("{}: {}\n  $ {}", candidate.name, candidate.version, candidate.command);
    }
    let failed: u64 = samples.iter().map(|sample| sample.metered.load.failed).sum();
    println!("Answers that were not whole: {failed}");
    let noise = samples.iter().map(|sample| sample.metered.others).fold(0.0, f64::max);
    if noise > NOISE {
        println!("Others used up to {noise:.2} cores: read times with care, CPU per call less so");
    }
    for kind in [Kind::Json, Kind::Burst, Kind::Steady, Kind::Paced, Kind::Chunks] {
        table(kind, samples, candidates);
    }
    decisions.map_or(Ok(()), |decisions| decisions.print(json))
}

fn table(kind: Kind, samples: &[Sample], candidates: &[Candidate]) {
    println!("\n{}", title(kind));
    for candidate in candidates {
        let of = |name| Figures::of(samples, kind, name);
        let Some(mine) = of(candidate.name) else { continue };
        let base = of(MEASURE).unwrap_or(mine);
        let line = match kind {
            Kind::Json | Kind::Burst | Kind::Steady => format!(
                "{:>8.0}/s (best {:>6.0})  {:.2} x nginx   {:>6.1} us CPU (best {:>5.1})  {}",
                mine.rate,
                mine.best_rate,
                mine.rate / base.rate,
                mine.cpu,
                mine.best_cpu,
                ratio(mine.cpu, base.cpu)
            ),
            Kind::Paced => {
                let zero = of("no proxy").unwrap_or(mine);
                format!(
                    "p50 {:>5.0} us (added {:>4.0})  p99 {:>5.0} us (added {:>4.0})  {:>5.1} us CPU",
                    mine.p50,
                    mine.p50 - zero.p50,
                    mine.p99,
                    mine.p99 - zero.p99,
                    mine.cpu
                )
            }
            Kind::Chunks => format!(
                "p50 {:>5.0} us  p99 {:>5.0} us  {}   {} KiB resident",
                mine.p50,
                mine.p99,
                ratio(mine.p50, base.p50),
                mine.rss
            ),
            Kind::Pool => continue,
        };
        println!("  {:9} {line}", candidate.name);
    }
}

fn ratio(mine: f64, base: f64) -> String {
    if mine == 0.0 { "–".to_owned() } else { format!("{:.2} x nginx", mine / base) }
}

/// Medians, and the best rate and CPU, over all rounds.
#[derive(Clone, Copy)]
struct Figures {
    rate: f64,
    best_rate: f64,
    cpu: f64,
    best_cpu: f64,
    p50: f64,
    p99: f64,
    rss: u64,
}

impl Figures {
    fn of(samples: &[Sample], kind: Kind, candidate: &str) -> Option<Figures> {
        let mine: Vec<&Sample> =
            samples.iter().filter(|s| s.kind == kind && s.candidate == candidate).collect();
        let last = mine.last()?;
        let sorted = |of: fn(&Sample) -> f64| {
            let mut all: Vec<f64> = mine.iter().map(|sample| of(sample)).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        let median = |of| sorted(of)[mine.len() / 2];
        Some(Figures {
            rate: median(|s| s.metered.load.per_second),
            best_rate: sorted(|s| s.metered.load.per_second)[mine.len() - 1],
            cpu: median(|s| s.metered.cpu_us),
            best_cpu: sorted(|s| s.metered.cpu_us)[0],
            p50: median(|s| s.metered.load.p50_us),
            p99: median(|s| s.metered.load.p99_us),
            rss: last.rss_kib,
        })
    }
}

fn document(samples: &[Sample], candidates: &[Candidate]) -> Value {
    let who = |c: &Candidate| json!({"name": c.name, "version": c.version, "command": c.command});
    json!({
        "machine": machine(),
        "candidates": candidates.iter().map(who).collect::<Vec<_>>(),
        "samples": samples,
    })
}

/// What this runs on.
pub fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(':')).map_or("unknown", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores, Linux {}", model.trim(), read("/proc/sys/kernel/osrelease").trim())
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Json => "json",
        Kind::Burst => "burst",
        Kind::Steady => "steady",
        Kind::Paced => "paced",
        Kind::Chunks => "chunks",
        Kind::Pool => "pool",
    }
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Json => "Small JSON, 64 connections, closed loop: calls per second on one core",
        Kind::Burst => "Streams of 20 events in a burst, 64 connections: streams per second",
        Kind::Steady => "Streams of 20 events a millisecond apart, 256 connections",
        Kind::Paced => "Small JSON at a fixed rate, open loop: latency from when a call was due",
        Kind::Pool => "The pool's own decisions",
        Kind::Chunks => "Delay of each event of a stream, from the upstream's write to the client",
    }
}
