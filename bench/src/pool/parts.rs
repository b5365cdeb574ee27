//! A pool split into parts by its keys' hashes, and threads that call for any of its callers.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use potluck_core::Config;

use crate::table::{MODELS, Table, id};

/// The parts, each with a lock of its own, of the server's kind.
pub struct Parts(Vec<Apart>);

/// No two parts share a line of memory, or threads would wait for each other's writes.
#[repr(align(128))]
struct Apart(Mutex<Table>);

impl Parts {
    /// So many keys, each where its hash says, all in use.
    pub fn of(parts: u8, keys: u32) -> Parts {
        let parts = parts.max(1);
        let config = Config { parts, ..Config::default() };
        let mut tables: Vec<Table> = (0..parts).map(|_| Table::part(config.clone())).collect();
        for number in 0..keys {
            tables[usize::from(id(number).0[0] % parts)].join(number);
        }
        tables.iter_mut().for_each(|table| table.serve_all(MODELS[0]));
        Parts(tables.into_iter().map(|table| Apart(Mutex::new(table))).collect())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Calls a second of so many threads; if they keep apart each has parts to itself, as nodes do,
    /// and no line of memory goes from one processor to another.
    pub fn rate(&self, threads: u32, apart: bool, time: Duration) -> f64 {
        for part in &self.0 {
            part.0.lock().settle();
        }
        let (stop, start) = (&AtomicBool::new(false), &Barrier::new(threads as usize + 1));
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..threads)
                .map(|thread| {
                    let step = if apart { threads as usize } else { 1 };
                    let mine = (thread as usize % step, step);
                    scope.spawn(move || self.calls_until(stop, start, u64::from(thread) + 1, mine))
                })
                .collect();
            start.wait();
            let began = Instant::now();
            std::thread::sleep(time);
            stop.store(true, Relaxed);
            let took = began.elapsed();
            let calls: u64 = runs.into_iter().filter_map(|run| run.join().ok()).sum();
            calls as f64 / took.as_secs_f64()
        })
    }

    /// Calls to parts at random, of the first and every so many after it.
    fn calls_until(
        &self,
        stop: &AtomicBool,
        start: &Barrier,
        seed: u64,
        (first, step): (usize, usize),
    ) -> u64 {
        let (mut calls, mut random) = (0, seed);
        start.wait();
        while !stop.load(Relaxed) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = (first + step * (random >> 32) as usize) % self.0.len();
            self.0[at].0.lock().plain_call();
            calls += 1;
        }
        calls
    }
}
