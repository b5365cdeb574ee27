//! A pool whose keys have all been told their limits, and callers who take turns in no order.

use std::time::Duration;

use potluck_core::{
    Call, Config, End, Ending, KeyId, KeyRecord, Limits, Mono, Now, Outcome, Pool, State, Step,
    Usage, Wall,
};
use potluck_gemini::failure::{self, Failure};
use serde_json::json;

/// A pool, its time, and who calls next.
pub struct Table {
    pub pool: Pool<u64>,
    ids: Vec<KeyId>,
    now: Now,
    calls: u64,
}

/// What is called.
pub const MODELS: [&str; 2] = ["gemini-3.5-flash", "gemini-3.5-pro"];

impl Table {
    /// A pool without keys.
    pub fn empty() -> Table {
        Table::part(Config::default())
    }

    /// A pool that may be a part of one.
    pub fn part(config: Config) -> Table {
        Table { pool: Pool::new(config, SEED), ids: Vec::new(), now: NOON, calls: 0 }
    }

    /// A pool in which every key has served a call of the first model, and knows its limits.
    pub fn of(keys: u32) -> Table {
        let mut table = Table::empty();
        table.fill(keys);
        table.serve_all(MODELS[0]);
        table
    }

    /// Lets so many keys join.
    pub fn fill(&mut self, keys: u32) {
        (0..keys).for_each(|number| self.join(number));
    }

    /// Lets one key join.
    pub fn join(&mut self, number: u32) {
        let record = KeyRecord {
            id: id(number),
            added: self.now.wall,
            limits: Limits::default(),
            state: State::Active,
            cooldowns: Vec::new(),
            usage: Usage::default(),
            learned: Box::default(),
        };
        let joined = self.pool.restore(record, number.into(), self.now);
        assert!(joined, "a key found no room");
        self.ids.push(id(number));
    }

    /// Tells every key the limits of a model, and lets it serve a call of the day after.
    pub fn serve_all(&mut self, model: &str) {
        let plain = |id| Call::plain(id, model);
        self.each_calls(plain, Outcome::Failed(&limits()));
        self.pass(DAY);
        // What rested is let go little by little, as calls come by.
        self.each_calls(plain, Outcome::Served);
        self.each_calls(plain, Outcome::Served);
        self.shuffle();
        self.settle();
    }

    /// Bytes that are not the pool's.
    pub fn own_bytes(&self) -> usize {
        self.ids.capacity() * size_of::<KeyId>()
    }

    /// Does what is due, and takes what is to be stored, so that a run begins with nothing to do.
    pub fn settle(&mut self) {
        self.pass(FLUSHED);
        self.pass(FLUSHED);
    }

    /// One whole exchange of a plain call.
    pub fn plain_call(&mut self) {
        let at = self.calls as usize % self.ids.len().max(1);
        self.calls += 1;
        if self.calls.is_multiple_of(CALLS_A_MILLISECOND) {
            self.now = self.now + Duration::from_millis(1);
        }
        let plain = Call::plain(self.ids[at], MODELS[0]);
        let call = Call { conversation: Some(self.calls), prompt_tokens: PROMPT, ..plain };
        drop_step(self.pool_call(call, Outcome::Served));
    }

    /// Callers come in no order; who is next is read in order, as a server need not look for it.
    fn shuffle(&mut self) {
        for at in (1..self.ids.len()).rev() {
            let other = ((at as u64).wrapping_mul(SCATTER) >> 24) as usize % (at + 1);
            self.ids.swap(at, other);
        }
    }

    fn each_calls<'m>(&mut self, call: impl Fn(KeyId) -> Call<'m>, outcome: Outcome<'_>) {
        for at in 0..self.ids.len() {
            drop_step(self.pool_call(call(self.ids[at]), outcome));
            if at.is_multiple_of(EVENTS_TAKEN_EVERY) {
                self.take_events();
            }
        }
    }

    fn pool_call(&mut self, call: Call<'_>, outcome: Outcome<'_>) -> Step<u64> {
        let (pool, now) = (&mut self.pool, self.now);
        let mut x = pool.begin(call, now);
        let step = pool.next(&mut x, now);
        pool.report(&mut x, outcome, now);
        pool.finish(x, END, now);
        step
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        while self.pool.poll_timeout().is_some_and(|(due, _)| due <= self.now.mono) {
            self.pool.handle_timeout(self.now);
        }
        self.take_events();
    }

    fn take_events(&mut self) {
        while self.pool.poll_event(self.now).is_some() {}
    }
}

/// A call that was not served would be measured as a cheap one.
fn drop_step(step: Step<u64>) {
    assert!(matches!(step, Step::Try(_)), "not served: {step:?}");
}

/// The id of a key: evenly spread, as keyed hashes are.
pub fn id(number: u32) -> KeyId {
    let mut bytes = [0; 16];
    let mixed = |salt: u64| {
        let one = (u64::from(number) ^ salt).wrapping_mul(SCATTER);
        (one ^ (one >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(31)
    };
    bytes[..8].copy_from_slice(&mixed(0).to_le_bytes());
    bytes[8..].copy_from_slice(&mixed(SEED << 40).to_le_bytes());
    KeyId(bytes)
}

/// Google names a minute's and a day's limit that nobody reaches.
fn limits() -> Failure {
    let quota = |id: &str| json!({ "quotaId": id, "quotaMetric": "m", "quotaValue": "1000000000" });
    let violations = [
        quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"),
        quota("GenerateContentInputTokensPerModelPerMinute-FreeTier"),
        quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
    ];
    let body = json!({ "error": { "code": 429, "message": "quota",
        "status": "RESOURCE_EXHAUSTED", "details": [
            { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations },
            { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "30s" } ] } });
    failure::read(429, Some(b"application/json"), body.to_string().as_bytes())
}

const SEED: u64 = 7;
const SCATTER: u64 = 0x9e37_79b9_7f4a_7c15;
/// Noon in California, in summer.
const NOON: Now = Now { mono: Mono(1_000_000), wall: Wall(1_782_932_400_000) };
const DAY: Duration = Duration::from_secs(24 * 3600);
/// After this long nothing waits to be stored, and no minute remembers anything.
const FLUSHED: Duration = Duration::from_secs(62);
const EVENTS_TAKEN_EVERY: usize = 4096;
/// A hundred thousand calls a second.
const CALLS_A_MILLISECOND: u64 = 100;
/// Tokens of a prompt, as estimated; Google counts some more.
const PROMPT: u32 = 100;
const END: End = End { tokens: 200, prompt_tokens: 110, ending: Ending::Whole };
