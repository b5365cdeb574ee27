//! Everything the simulator knows, behind one lock.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::{Mutex, MutexGuard};

use crate::{
    catalog::{Model, Tier},
    config::Config,
    key::Key,
    log::{Arrival, Log},
    problem::{Family, Problem, QuotaNames},
    quota::{Bucket, Limits},
    rule::Rules,
    shelf::Shelf,
};

/// countTokens has its own bucket, and a large one.
const COUNT_TOKENS: Limits = Limits { rpm: Some(3_000), tpm: None, rpd: None, tpd: None };

/// The world.
#[derive(Debug)]
pub struct World {
    /// How it was set up.
    pub config: Config,
    state: Mutex<State>,
    offset_ms: AtomicI64,
    serial: AtomicU64,
}

/// What is behind the lock.
#[derive(Debug)]
pub struct State {
    /// Keys by their text.
    pub keys: BTreeMap<String, Key>,
    /// Models on offer.
    pub models: Vec<Model>,
    /// Scripts and faults.
    pub rules: Rules,
    /// What arrived.
    pub log: Log,
    /// Files, caches and whatever else belongs to projects.
    pub shelf: Shelf,
    limits: HashMap<(u64, String, Family), Limits>,
    buckets: HashMap<(u64, String, Family), Bucket>,
}

impl World {
    /// A world as configured.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let state = State {
            keys: config.keys.iter().map(|key| (key.key.clone(), key.clone())).collect(),
            models: config.models.clone(),
            rules: Rules::default(),
            log: Log::new(config.log_size),
            shelf: Shelf::default(),
            limits: HashMap::new(),
            buckets: HashMap::new(),
        };
        let (offset_ms, serial) = (AtomicI64::new(0), AtomicU64::new(1));
        Self { config, state: Mutex::new(state), offset_ms, serial }
    }

    /// The state, locked. Never hold it across an await.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The simulator's time, Unix milliseconds: the real one and what it was advanced by.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_millis()).unwrap_or(i64::MAX) + self.offset_ms.load(Ordering::Relaxed)
    }

    /// Lets time pass at once.
    pub fn advance(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.offset_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// A number that was never given before.
    pub fn serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// An id that looks like Google's: lower-case letters and digits.
    #[must_use]
    pub fn id(&self, length: usize) -> String {
        let mut seed = self.serial() ^ (self.now_ms().unsigned_abs() << 20);
        let mut id = String::with_capacity(length);
        for _ in 0..length {
            // splitmix64: ids need to be distinct, not secret.
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            id.extend(char::from_digit(((mixed >> 33) % 36) as u32, 36));
        }
        id
    }

    /// Takes note of an arrival.
    pub fn arrived(&self, arrival: Arrival) -> u64 {
        self.state().log.arrived(arrival)
    }

    /// The head of an answer is ready.
    pub fn head(&self, id: u64, status: u16, key: Option<&str>) {
        let now = self.now_ms();
        self.state().log.head(id, status, key, now);
    }

    /// A request has ended.
    pub fn ended(&self, id: u64, aborted: bool) {
        let now = self.now_ms();
        self.state().log.ended(id, aborted, now);
    }

    /// Forgets everything that happened; keys and models are as configured again.
    pub fn reset(&self) {
        let mut state = self.state();
        state.keys = self.config.keys.iter().map(|key| (key.key.clone(), key.clone())).collect();
        state.models = self.config.models.clone();
        state.rules.clear();
        state.log.clear();
        state.shelf = Shelf::default();
        state.limits.clear();
        state.buckets.clear();
        self.offset_ms.store(0, Ordering::Relaxed);
    }
}

impl State {
    /// The model of that name.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    /// Other limits for one project, model and kind of calls.
    pub fn set_limits(&mut self, project: u64, model: &str, family: Family, limits: Limits) {
        let counted = self.model(model).map_or(model, Model::counted_as).to_owned();
        let place = (project, counted, family);
        if let Some(bucket) = self.buckets.get_mut(&place) {
            bucket.limit(limits);
        }
        self.limits.insert(place, limits);
    }

    /// Forgets what was spent.
    pub fn refill(&mut self) {
        self.buckets.clear();
    }

    /// Spends a call of that kind, or refuses it as Google does.
    ///
    /// # Errors
    /// A 429 with its QuotaFailure.
    pub fn spend(
        &mut self,
        world: &World,
        key: &Key,
        model: &Model,
        family: Family,
        tokens: u64,
    ) -> Result<(), Problem> {
        let counted = model.counted_as();
        let place = (key.project, counted.to_owned(), family);
        let limits = self.limits.get(&place).copied().unwrap_or_else(|| match family {
            Family::CountTokens if key.tier != Tier::Unmetered => COUNT_TOKENS,
            _ => model.limits(key.tier),
        });
        let window = world.config.window;
        let bucket = self.buckets.entry(place).or_insert_with(|| Bucket::new(limits, window));
        let names = QuotaNames { family, free: key.tier != Tier::Paid, model: counted };
        bucket.spend(tokens, world.now_ms()).map_err(|refusal| Problem::quota(&refusal, &names))
    }

    /// What each bucket has spent: project, model, kind, requests and tokens by minute and day.
    pub fn spent(&mut self, now_ms: i64) -> Vec<serde_json::Value> {
        let mut rows: Vec<_> = self.buckets.iter_mut().collect();
        rows.sort_by(|a, b| (a.0.0, &a.0.1).cmp(&(b.0.0, &b.0.1)));
        rows.into_iter()
            .map(|((project, model, family), bucket)| {
                let (requests, tokens) = (bucket.requests(now_ms), bucket.tokens(now_ms));
                serde_json::json!({
                    "project": project, "model": model, "family": family,
                    "limits": bucket.limits(),
                    "requests_minute": requests.0, "requests_day": requests.1,
                    "tokens_minute": tokens.0, "tokens_day": tokens.1,
                })
            })
            .collect()
    }
}
