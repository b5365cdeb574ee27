//! What arrived, as it arrived: bounded, and told when callers leave.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

/// So much of each body is kept.
const BODY_HEAD: usize = 8 * 1024;

/// One request (or one websocket) as it arrived.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Arrival {
    /// Its number, from 1 up.
    pub id: u64,
    /// The number of the connection it came over.
    pub connection: u64,
    /// Over TLS.
    pub tls: bool,
    /// When its head had come, Unix milliseconds.
    pub at_ms: i64,
    /// HTTP method.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// The query, as sent.
    pub query: Option<String>,
    /// The headers, in order.
    pub headers: Vec<(String, String)>,
    /// How many bytes of body came.
    pub body_len: u64,
    /// FNV-1a (64 bit, hex) of the body.
    pub body_hash: String,
    /// The first bytes of the body, as text.
    pub body_head: String,
    /// The key shown, wherever it stood.
    pub key: Option<String>,
    /// The model asked for.
    pub model: Option<String>,
    /// The rule that it met.
    pub fault: Option<String>,
    /// The status answered.
    pub status: Option<u16>,
    /// When the head of the answer was ready.
    pub head_ms: Option<i64>,
    /// When the answer was out whole.
    pub done_ms: Option<i64>,
    /// When the caller left before that.
    pub aborted_ms: Option<i64>,
}

impl Arrival {
    /// A header's value, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Takes note of the body.
    pub fn body(&mut self, body: &[u8]) {
        self.body_len = body.len() as u64;
        self.body_hash = fnv(body);
        self.body_head = String::from_utf8_lossy(&body[..body.len().min(BODY_HEAD)]).into_owned();
    }
}

/// FNV-1a, 64 bit, in hex: enough to compare bodies, and written in a minute in any language.
#[must_use]
pub fn fnv(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Sums over everything that arrived, never cut.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counters {
    /// Requests.
    pub requests: u64,
    /// Requests not answered yet.
    pub in_flight: u64,
    /// Requests whose caller left before the answer was out.
    pub aborted: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections open.
    pub open: u64,
    /// Requests per key shown.
    pub by_key: BTreeMap<String, u64>,
    /// 2xx answers per key shown.
    pub served_by_key: BTreeMap<String, u64>,
    /// Answers per status.
    pub by_status: BTreeMap<u16, u64>,
}

/// The log and its sums.
#[derive(Debug)]
pub struct Log {
    arrivals: VecDeque<Arrival>,
    size: usize,
    next_id: u64,
    counters: Counters,
}

impl Log {
    /// An empty log that keeps so many arrivals.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { arrivals: VecDeque::new(), size, next_id: 1, counters: Counters::default() }
    }

    /// Takes note of an arrival and gives it its number.
    pub fn arrived(&mut self, mut arrival: Arrival) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.counters.requests += 1;
        self.counters.in_flight += 1;
        if let Some(key) = &arrival.key {
            *self.counters.by_key.entry(key.clone()).or_default() += 1;
        }
        arrival.id = id;
        self.arrivals.push_back(arrival);
        while self.arrivals.len() > self.size {
            self.arrivals.pop_front();
        }
        id
    }

    /// The arrival of that number, while it is kept.
    pub fn entry(&mut self, id: u64) -> Option<&mut Arrival> {
        let first = self.arrivals.front()?.id;
        self.arrivals.get_mut(usize::try_from(id.checked_sub(first)?).ok()?)
    }

    /// The head of the answer is ready.
    pub fn head(&mut self, id: u64, status: u16, key: Option<&str>, now_ms: i64) {
        *self.counters.by_status.entry(status).or_default() += 1;
        if let (200..300, Some(key)) = (status, key) {
            *self.counters.served_by_key.entry(key.to_owned()).or_default() += 1;
        }
        if let Some(entry) = self.entry(id) {
            entry.status = Some(status);
            entry.head_ms = Some(now_ms);
        }
    }

    /// The answer is out, or its caller has left.
    pub fn ended(&mut self, id: u64, aborted: bool, now_ms: i64) {
        self.counters.in_flight = self.counters.in_flight.saturating_sub(1);
        self.counters.aborted += u64::from(aborted);
        if let Some(entry) = self.entry(id) {
            let place = if aborted { &mut entry.aborted_ms } else { &mut entry.done_ms };
            *place = Some(now_ms);
        }
    }

    /// The sums.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A connection was accepted, or ended.
    pub fn connection(&mut self, opened: bool) {
        self.counters.connections += u64::from(opened);
        let open = self.counters.open;
        self.counters.open = if opened { open + 1 } else { open.saturating_sub(1) };
    }

    /// What is kept, from that number on.
    #[must_use]
    pub fn since(&self, id: u64) -> Vec<Arrival> {
        self.arrivals.iter().filter(|arrival| arrival.id >= id).cloned().collect()
    }

    /// Forgets what arrived; what is still going on stays counted as in flight.
    pub fn clear(&mut self) {
        self.arrivals.clear();
        let Counters { in_flight, connections, open, .. } = self.counters;
        self.counters = Counters { in_flight, connections, open, ..Counters::default() };
    }
}
