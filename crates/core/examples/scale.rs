//! What a decision of the pool costs, with ten keys and with a million.
//!
//! `cargo run --release -p potluck-core --example scale` prints, for a plain call in a pool whose
//! limits are known: time and instructions from its beginning to its end, the memory of a key, and
//! how much faster two threads are than one where the pool is split. Instructions are counted by
//! `valgrind`, in a process of their own; where there is none, they are left out. Rule: only what
//! was measured within one run is compared.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use potluck_core::{
    Call, Config, End, Ending, KeyId, KeyRecord, Limits, Mono, Now, Outcome, Pool, State, Step,
    Usage, Wall, Whose,
};
use potluck_gemini::failure::{Failure, Quota};

/// Sizes that are compared.
const SIZES: [u32; 3] = [10, 10_000, 1_000_000];
/// The bars of a decision that costs the same at any size.
const MOST_INSTRUCTIONS: f64 = 1.2;
const MOST_TIME: Duration = Duration::from_micros(1);
const MOST_BYTES: i64 = 300;
const LEAST_OF_TWO_THREADS: f64 = 1.8;
/// Calls that are measured: a second or so.
const CALLS: u32 = 1_000_000;
/// Calls whose instructions are counted: fifty times slower.
const COUNTED: u32 = 50_000;
/// Parts of the pool that two threads share.
const PARTS: u32 = 16;
const MODELS: [&str; 2] = ["gemini-3.5-flash", "gemini-3.5-flash-lite"];

/// Counts what is allocated.
struct Counting;

static BYTES: AtomicI64 = AtomicI64::new(0);

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size() as i64, Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: the block came from `alloc` above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, keys, calls] = &args[..] {
        let mut table = Table::of(keys.parse().unwrap(), 0);
        (0..calls.parse().unwrap()).for_each(|number| table.call(number, MODELS[0]));
        return;
    }
    decisions();
    memory();
    threads();
}

fn decisions() {
    let mut least = None;
    for keys in SIZES {
        let mut table = Table::of(keys, 0);
        (0..CALLS / 10).for_each(|number| table.call(number, MODELS[0]));
        let began = Instant::now();
        (0..CALLS).for_each(|number| table.call(number, MODELS[0]));
        let each = began.elapsed() / CALLS;
        let time = verdict(each <= MOST_TIME);
        let Some(count) = instructions(keys) else {
            println!(
                "{keys:>9} keys: {each:?} a call {time}; instructions not counted: no valgrind"
            );
            continue;
        };
        let ratio = count / *least.get_or_insert(count);
        let bar = verdict(ratio <= MOST_INSTRUCTIONS);
        println!(
            "{keys:>9} keys: {each:?} a call {time}; {count:.0} instructions, x {ratio:.2} {bar}"
        );
    }
}

/// Instructions of one call: twice as many calls cost more by those alone.
fn instructions(keys: u32) -> Option<f64> {
    let count = |calls: u32| -> Option<f64> {
        let own = std::env::current_exe().ok()?;
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(own);
        let told = valgrind.args([keys.to_string(), calls.to_string()]).output().ok()?;
        let text = String::from_utf8_lossy(&told.stderr).into_owned();
        text.split("Collected :").nth(1)?.split_whitespace().next()?.parse().ok()
    };
    // The first round of every key makes what it needs; it is in both.
    let few = keys.max(1000);
    Some((count(few + COUNTED)? - count(few)?) / f64::from(COUNTED))
}

fn memory() {
    let keys = SIZES[2];
    let before = BYTES.load(Relaxed);
    let mut table = Table::of(keys, 0);
    let mut last = before;
    for (number, model) in MODELS.into_iter().enumerate() {
        (0..keys).for_each(|number| table.call(number, model));
        let now = BYTES.load(Relaxed);
        let (all, more) = ((now - before) / i64::from(keys), (now - last) / i64::from(keys));
        let each = all / (number as i64 + 1);
        println!(
            "{keys} keys, {} models in use: {all} bytes a key, {more} more; {each} a key and model {}",
            number + 1,
            verdict(each <= MOST_BYTES)
        );
        last = now;
    }
}

fn threads() {
    let pools: Vec<Mutex<Table>> =
        (0..PARTS).map(|part| Mutex::new(Table::of(10_000, part))).collect();
    let work = |thread: u32| {
        for number in 0..CALLS {
            let part = (number.wrapping_mul(7) + thread * 5) % PARTS;
            pools[part as usize].lock().unwrap().call(number, MODELS[0]);
        }
    };
    let time = |threads: u32| {
        let began = Instant::now();
        thread::scope(|scope| (0..threads).for_each(|at| drop(scope.spawn(move || work(at)))));
        began.elapsed().as_secs_f64() / f64::from(threads)
    };
    time(1);
    let ratio = time(1) / time(2);
    let bar = verdict(ratio >= LEAST_OF_TWO_THREADS);
    println!("two threads, {PARTS} parts: x {ratio:.2} the rate of one {bar}");
}

fn verdict(met: bool) -> &'static str {
    if met { "(met)" } else { "(NOT met)" }
}

/// A pool whose limits are known, and so large that nothing is refused.
struct Table {
    pool: Pool<u32>,
    now: Now,
    keys: u32,
    part: u32,
}

impl Table {
    fn of(keys: u32, part: u32) -> Table {
        let now = Now { mono: Mono(1_000_000), wall: Wall(1_782_932_400_000) };
        let pool = Pool::new(Config::default(), 7);
        let mut table = Table { pool, now, keys, part };
        (0..keys).for_each(|number| table.join(number));
        MODELS.iter().for_each(|model| table.learn(model));
        table.now = table.now + Duration::from_secs(3600);
        table
    }

    fn join(&mut self, number: u32) {
        let record = KeyRecord {
            id: self.id(number),
            added: self.now.wall,
            limits: Limits::default(),
            state: State::Active,
            cooldowns: Vec::new(),
            usage: Usage::default(),
            learned: "".into(),
        };
        assert!(self.pool.restore(record, number, self.now));
    }

    /// One key is told its limits for a minute, and all others are taken to have the same.
    fn learn(&mut self, model: &str) {
        let quota = |id: &str| Quota {
            id: id.into(),
            metric: "m".into(),
            model: None,
            limit: Some(1_000_000_000),
        };
        let quotas = vec![
            quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"),
            quota("GenerateContentInputTokensPerModelPerMinute-FreeTier"),
        ];
        let minute = Failure { status: 429, quotas, ..Failure::default() };
        self.exchange(0, model, Outcome::Failed(&minute));
        let quotas = vec![quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")];
        let day = Failure { status: 429, quotas, ..Failure::default() };
        self.exchange(0, model, Outcome::Failed(&day));
    }

    fn call(&mut self, number: u32, model: &str) {
        self.now = self.now + Duration::from_millis(u64::from(number.is_multiple_of(128)));
        self.exchange(number % self.keys, model, Outcome::Served);
    }

    fn exchange(&mut self, bearer: u32, model: &str, outcome: Outcome<'_>) {
        let call = Call { prompt_tokens: 100, ..Call::plain(self.id(bearer), model) };
        let mut x = self.pool.begin(call, self.now);
        if let Step::Try(attempt) = self.pool.next(&mut x, self.now) {
            assert!(matches!(attempt.whose, Whose::Key { .. }));
            self.pool.report(&mut x, outcome, self.now);
        }
        let end = End { tokens: 200, prompt_tokens: 100, ending: Ending::Whole };
        self.pool.finish(x, end, self.now);
    }

    /// Keyed hashes are evenly spread.
    fn id(&self, number: u32) -> KeyId {
        let mut bytes = [0; 16];
        let mixed = (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes[..8].copy_from_slice(&mixed.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.part.to_le_bytes());
        KeyId(bytes)
    }
}
