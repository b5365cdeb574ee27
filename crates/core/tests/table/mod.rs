//! A pool with some keys in it, and Google's answers to hand.
#![allow(clippy::unwrap_used, missing_docs, dead_code)]

use std::time::Duration;

use potluck_core::{
    After, Attempt, Call, Config, End, Ending, Event, Exchange, KeyId, KeyRecord, Limits,
    LimitsPatch, Mono, Now, Outcome, Pool, Refusal, Slot, State, Step, Tombstone, Usage, Wall,
    Whose,
};
use potluck_gemini::failure::{self, Failure};
use serde_json::{Value, json};

/// A pool whose keys' secrets are their numbers.
pub struct Table {
    pub pool: Pool<u32>,
    pub now: Now,
}

/// How an exchange ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Served {
    /// Keys tried, in order; the bearer's shown key is `BEARER`.
    pub tried: Vec<u32>,
    pub result: Result,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Result {
    Answer,
    Passed,
    Refused(Refusal),
    Waits(Mono),
}

pub const BEARER: u32 = u32::MAX;
pub const MODEL: &str = "gemini-3.5-flash";

impl Table {
    /// A pool of `keys` keys, numbered from 0.
    pub fn of(keys: u32) -> Table {
        let mut table = Table { pool: Pool::new(Config::default(), 7), now: noon() };
        (0..keys).for_each(|number| table.join(number));
        table
    }

    pub fn join(&mut self, number: u32) {
        self.join_with(number, Limits::default());
    }

    pub fn join_with(&mut self, number: u32, limits: Limits) {
        let record = KeyRecord {
            id: id(number),
            added: self.now.wall,
            limits,
            state: State::Active,
            cooldowns: Vec::new(),
            usage: Usage::default(),
            learned: "".into(),
        };
        assert!(self.pool.restore(record, number, self.now));
    }

    pub fn pass_time(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    /// A plain call of a bearer, answered by `google`.
    pub fn call(&mut self, bearer: u32, google: impl FnMut(u32) -> Option<Failure>) -> Served {
        self.ask(Call::plain(id(bearer), MODEL), google)
    }

    /// A call, answered by `google`: nothing for a 2xx.
    pub fn ask(
        &mut self,
        call: Call<'_>,
        mut google: impl FnMut(u32) -> Option<Failure>,
    ) -> Served {
        let mut x = self.pool.begin(call, self.now);
        let mut tried = Vec::new();
        let result = loop {
            let key = match self.pool.next(&mut x, self.now) {
                Step::Try(attempt) => number(&attempt),
                Step::Wait { until } => break Result::Waits(until),
                Step::Refuse(refusal) => break Result::Refused(refusal),
            };
            tried.push(key);
            let failure = google(key);
            let outcome = failure.as_ref().map_or(Outcome::Served, Outcome::Failed);
            match self.pool.report(&mut x, outcome, self.now) {
                After::Commit { admit } => {
                    if admit {
                        let secret = secret(call.bearer.unwrap());
                        assert!(self.pool.admitted(&mut x, secret, self.now));
                    }
                    break Result::Answer;
                }
                After::Admit => {
                    let secret = secret(call.bearer.unwrap());
                    assert!(self.pool.admitted(&mut x, secret, self.now));
                }
                After::Again => {}
                After::Pass => break Result::Passed,
                After::Template(refusal) => break Result::Refused(refusal),
            }
        };
        self.end(x, 0);
        Served { tried, result }
    }

    /// The key that serves a plain call.
    pub fn serve(&mut self, bearer: u32) -> u32 {
        let served = self.call(bearer, |_| None);
        assert_eq!(served.result, Result::Answer, "{served:?}");
        *served.tried.last().unwrap()
    }

    pub fn end(&mut self, x: Exchange, tokens: u64) {
        self.pool.finish(x, End { tokens, prompt_tokens: 0, ending: Ending::Whole }, self.now);
    }

    pub fn change(&mut self, number: u32, patch: LimitsPatch) {
        self.pool.change(id(number), None, &patch, self.now);
    }

    pub fn events(&mut self) -> Vec<Event<u32>> {
        std::iter::from_fn(|| self.pool.poll_event(self.now)).collect()
    }

    /// The keys that the pool wants probed.
    pub fn probes(&mut self) -> Vec<(Slot, u32)> {
        let probe = |event| match event {
            Event::Probe { slot, secret, .. } => Some((slot, secret)),
            _ => None,
        };
        self.events().into_iter().filter_map(probe).collect()
    }

    /// Lets every timer that is due by then ring.
    pub fn run_until(&mut self, at: Mono) {
        while let Some((due, _)) = self.pool.poll_timeout().filter(|(due, _)| *due <= at) {
            let ahead = due.since(self.now.mono);
            self.pass_time(ahead);
            self.pool.handle_timeout(self.now);
        }
        let rest = at.since(self.now.mono);
        self.pass_time(rest);
    }

    pub fn state(&self, number: u32) -> &'static str {
        self.pool.me(id(number), self.now).map_or("unknown", |me| me.state)
    }
}

/// Noon in California, in summer.
pub fn noon() -> Now {
    Now { mono: Mono(1_000_000), wall: Wall(1_782_932_400_000) }
}

pub fn id(number: u32) -> KeyId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    KeyId(bytes)
}

pub fn grave(number: u32) -> Tombstone {
    Tombstone(id(number + 1_000_000).0)
}

fn secret(id: KeyId) -> u32 {
    u32::from_le_bytes([id.0[0], id.0[1], id.0[2], id.0[3]])
}

pub fn number(attempt: &Attempt<u32>) -> u32 {
    match attempt.whose {
        Whose::Bearer => BEARER,
        Whose::Key { secret, .. } => secret,
    }
}

pub fn error(status: u16, message: &str) -> Failure {
    read(status, &json!({ "error": { "code": status, "message": message } }))
}

pub fn reason(status: u16, reason: &str, project: Option<u32>) -> Failure {
    let mut info = json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason, "domain": "googleapis.com" });
    if let Some(project) = project {
        info["metadata"] = json!({ "consumer": format!("projects/{project}") });
    }
    read(status, &json!({ "error": { "code": status, "message": "m", "details": [info] } }))
}

pub fn dead() -> Failure {
    reason(400, "API_KEY_INVALID", None)
}

pub fn minute(seconds: u64) -> Failure {
    quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "10", Some(seconds))
}

pub fn day() -> Failure {
    quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "20", Some(38))
}

pub fn quota(id: &str, limit: &str, delay: Option<u64>) -> Failure {
    let mut details = vec![json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{ "quotaId": id, "quotaMetric": "m", "quotaValue": limit }] })];
    if let Some(delay) = delay {
        details.push(json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{delay}s") }));
    }
    read(
        429,
        &json!({ "error": { "code": 429, "message": "quota",
        "status": "RESOURCE_EXHAUSTED", "details": details } }),
    )
}

pub fn read(status: u16, body: &Value) -> Failure {
    failure::read(status, Some(b"application/json"), body.to_string().as_bytes())
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
