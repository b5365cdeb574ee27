//! A pool of canaries: everything that anybody hears is kept, to be looked through at the end.

use std::fs;
use std::path::Path;

use gemini_sim::{Act, Key, KeyState, Rule, Sim};

use crate::common::raw::{Answer, Ask};
use crate::common::serving::{MODEL, Potluck, config, generate, prompt};
use crate::net::Net;

/// So many canaries, as the promise says.
pub const CANARIES: usize = 100;
/// Files of the data folder that hold a secret of ours, and nothing but it.
const OWN_FILES: [&str; 2] = ["master-key", "admin-token"];

/// A proxy at TRACE in front of a simulator that echoes keys wherever Google does.
pub struct Table {
    pub sim: Sim,
    pub potluck: Potluck,
    keys: Vec<String>,
    heard: Vec<Heard>,
    log: String,
}

/// Something that somebody heard.
struct Heard {
    /// Whose key was shown.
    whose: usize,
    /// An answer that is no success must not name even the caller's own key.
    failed: bool,
    text: Vec<u8>,
}

impl Table {
    /// Canaries that the simulator knows as good, in front of it a proxy that logs all it can.
    pub fn set(format: &str) -> Table {
        let keys: Vec<String> = (1..=CANARIES).map(canary).collect();
        let known = keys.iter().zip(1..).map(|(key, n)| Key::new(key, 100_000 + n));
        let sim = Sim::start(config(0).keys(known)).unwrap();
        let format = format!("--log-format={format}");
        // Each canary shows an address of its own, so that refused ones do not stop the others.
        let args = ["--log=trace", &format, "--trusted-proxy=127.0.0.1"];
        let potluck = Potluck::with(&sim.url(), &args);
        Table { sim, potluck, keys, heard: Vec::new(), log: String::new() }
    }

    /// A canary by its number, from 1 up.
    pub fn key(&self, n: usize) -> String {
        self.keys[n - 1].clone()
    }

    /// The address that a canary's contributor calls from.
    pub fn address(&self, n: usize) -> String {
        format!("198.51.100.{n}")
    }

    /// Sends it in the name of a canary's contributor, and remembers what came.
    pub fn ask(&mut self, n: usize, ask: &Ask) -> Answer {
        let answer =
            ask.clone().header("x-forwarded-for", &self.address(n)).send(self.potluck.addr());
        self.hear(n, &answer);
        answer
    }

    /// Remembers an answer.
    pub fn hear(&mut self, n: usize, answer: &Answer) {
        let head: Vec<String> = answer.headers.iter().map(|(k, v)| format!("{k}: {v}\n")).collect();
        let failed = answer.status >= 300 || !answer.whole;
        let text = [head.concat().as_bytes(), &answer.body].concat();
        self.heard.push(Heard { whose: n, failed, text });
    }

    /// Remembers what a socket said.
    pub fn hear_text(&mut self, n: usize, text: &str) {
        self.heard.push(Heard { whose: n, failed: true, text: text.into() });
    }

    /// A plain call with a canary.
    pub fn generate(&mut self, n: usize) -> Answer {
        self.ask(n, &generate(&self.key(n), "hello"))
    }

    /// A canary joins the pool.
    pub fn join(&mut self, n: usize) {
        let answer = self.generate(n);
        assert_eq!(answer.header("x-potluck-key"), Some("stored"), "canary {n}: {answer:?}");
    }

    /// From now on Google says this to a canary.
    pub fn becomes(&self, n: usize, state: KeyState) {
        assert!(self.sim.set_state(&self.key(n), state));
    }

    /// From now on this happens to a canary.
    pub fn meets(&self, n: usize, act: Act) -> u64 {
        self.sim.rule(Rule::always(act).key(self.key(n)))
    }

    /// Another one's calls, until one of them has been tried with this canary.
    pub fn reach(&mut self, n: usize, ask: impl Fn(&str) -> Ask) {
        let key = self.key(n);
        let used = |sim: &Sim| sim.counters().by_key.get(&key).copied().unwrap_or(0);
        let before = used(&self.sim);
        for _ in 0..=CANARIES {
            let ask = ask(&self.key(1));
            self.ask(1, &ask);
            if used(&self.sim) > before {
                return;
            }
        }
        panic!("canary {n} was never tried");
    }

    /// Stops and starts the proxy.
    pub fn restart(&mut self) {
        self.keep_log();
        self.potluck.restart();
    }

    /// Stops the proxy for good.
    pub fn stop(&mut self) {
        self.potluck.signal("-TERM");
        assert_eq!(self.potluck.end(), Some(0));
        self.keep_log();
    }

    fn keep_log(&mut self) {
        let log = self.potluck.log();
        self.log += &log;
    }

    /// Looks through the log, the data and all that was heard.
    pub fn look_through(&self) {
        let net = Net::new(self.keys.iter().map(String::as_str));
        let log = self.log.clone() + &self.potluck.log();
        assert!(log.contains("DEBUG"), "the log is to be at its most talkative");
        assert_clean(&net, "the log", log.as_bytes());
        self.look_through_files(&net);
        for heard in &self.heard {
            let caught = net.catches(&heard.text);
            let text = String::from_utf8_lossy(&heard.text);
            let allowed = |secret: usize| !heard.failed && secret + 1 == heard.whose;
            let bad = caught.iter().find(|catch| !allowed(catch.secret));
            assert!(bad.is_none(), "canary {} heard {bad:?} in {text}", heard.whose);
        }
        for page in ["/metrics", "/pool", "/keycount", "/badge.svg", "/readyz"] {
            let answer = self.potluck.get(page, None);
            assert_eq!(answer.status, 200);
            assert_clean(&net, page, format!("{answer:?}{}", answer.text()).as_bytes());
        }
    }

    /// How many answers, and how many words of sockets, had a key taken out of them.
    pub fn redacted(&self) -> usize {
        let gone = |heard: &&Heard| heard.text.windows(8).any(|text| text == b"REDACTED");
        self.heard.iter().filter(gone).count()
    }

    /// Looks through every file of the data folder, and for our own secrets besides.
    pub fn look_through_files(&self, net: &Net) {
        let data = self.potluck.data();
        let own = OWN_FILES.map(|name| fs::read_to_string(data.join(name)).unwrap());
        let own = Net::new(own.iter().map(|text| text.trim()));
        let log = self.log.clone() + &self.potluck.log();
        assert_clean(&own, "the log", log.as_bytes());
        for heard in &self.heard {
            assert_clean(&own, "an answer", &heard.text);
        }
        for entry in fs::read_dir(&data).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let what = path.display().to_string();
            assert_clean(net, &what, &bytes);
            if !OWN_FILES.iter().any(|name| path.ends_with(Path::new(name))) {
                assert_clean(&own, &what, &bytes);
            }
        }
    }

    /// A net for the canaries.
    pub fn net(&self) -> Net {
        Net::new(self.keys.iter().map(String::as_str))
    }
}

/// Fails with the surroundings of what was caught.
pub fn assert_clean(net: &Net, what: &str, text: &[u8]) {
    let catches = net.catches(text);
    if let Some(catch) = catches.first() {
        let from = catch.at.saturating_sub(300);
        let around = &text[from..text.len().min(catch.at + 60)];
        panic!("{what}: {catches:?} in …{}…", String::from_utf8_lossy(around));
    }
}

/// A streamed call of the compatible kind.
pub fn chat(key: &str, stream: bool) -> Ask {
    let message = serde_json::json!({ "role": "user", "content": "hello [[long 60]]" });
    let body = serde_json::json!({ "model": MODEL, "stream": stream, "messages": [message] });
    Ask::post("/v1beta/openai/chat/completions")
        .header("authorization", &format!("Bearer {key}"))
        .json(&body)
}

/// A plain call that shows its key in one of four ways.
pub fn shown(key: &str, way: usize) -> Ask {
    let ask = Ask::post(&format!("/v1beta/models/{MODEL}:generateContent")).json(&prompt("hello"));
    match way % 4 {
        0 => ask.header("x-goog-api-key", key),
        1 => ask.query("key", key),
        2 => ask.header("authorization", &format!("Bearer {key}")),
        _ => ask.header("x-api-key", key),
    }
}

/// A key that no other resembles, of one of the three kinds: usual, new, and of no known form (so
/// that nothing hides it by its looks).
fn canary(n: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = n as u64;
    let mut letter = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(LETTERS[(state >> 58) as usize])
    };
    let mut tail = |count: usize| (0..count).map(|_| letter()).collect::<String>();
    match n % 3 {
        0 => format!("AIzaSy{}", tail(33)),
        1 => format!("AQ.{}", tail(50)),
        _ => format!("Z{}", tail(40)),
    }
}
