//! What the kernel says that processes used.

use crate::stage::Server;
use std::ops::{Add, Sub};

/// Processor time in the kernel's ticks.
#[derive(Clone, Copy)]
pub struct Cpu(pub u64);

impl Cpu {
    /// As seconds; Linux counts a hundred ticks in each, on every machine.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 100.0
    }
}

impl Add for Cpu {
    type Output = Cpu;

    fn add(self, other: Cpu) -> Cpu {
        Cpu(self.0 + other.0)
    }
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, other: Cpu) -> Cpu {
        Cpu(self.0.saturating_sub(other.0))
    }
}

/// User and system time of a server and its workers.
pub fn cpu_of(server: &Server) -> Cpu {
    family(server.id()).into_iter().fold(Cpu(0), |sum, id| sum + cpu_of_process(id))
}

/// User and system time of one process, all threads of it.
pub fn cpu_of_process(id: u32) -> Cpu {
    Cpu(fields(id, &[14, 15]))
}

/// User and system time of all programs that this one has run to their end.
pub fn cpu_of_children() -> Cpu {
    Cpu(fields(std::process::id(), &[16, 17]))
}

/// Time that any process of the machine was served.
pub fn cpu_of_machine() -> Cpu {
    let all = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = all.lines().next().unwrap_or_default();
    let numbers: Vec<u64> = first.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    // User, nice, system; then idle and waiting; then interrupts, hard and soft.
    Cpu([0, 1, 2, 5, 6].into_iter().filter_map(|at| numbers.get(at)).sum())
}

/// Resident memory of a server and its workers, in KiB.
pub fn rss_of(server: &Server) -> u64 {
    family(server.id()).into_iter().filter_map(rss).sum()
}

fn rss(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A process and its children.
fn family(id: u32) -> Vec<u32> {
    std::iter::once(id).chain(children(id)).collect()
}

/// What a process's first thread has started.
pub fn children(id: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let children = children.unwrap_or_default();
    children.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// The sum of fields of `/proc/ID/stat`, numbered as in its manual.
fn fields(id: u32, numbers: &[usize]) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The second field, a name, may hold spaces; it ends with the last parenthesis.
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields: Vec<u64> = rest.split(' ').map(|field| field.parse().unwrap_or(0)).collect();
    numbers.iter().filter_map(|number| fields.get(number - 3)).sum()
}
