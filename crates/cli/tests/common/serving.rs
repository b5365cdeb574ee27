//! The built binary at work: `potluck serve` in a folder of its own, in front of a simulator.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use gemini_sim::{Config, Key, Sim};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::raw::{Answer, Ask};
use super::{folder, potluck};

/// The model that most tests ask for.
pub const MODEL: &str = "gemini-2.5-flash";

/// A key by number. All of them look like Google's.
pub fn key(number: usize) -> String {
    format!("AIzaSyTest{number:029}")
}

/// A simulator that knows keys 1 to `keys`, each of a project of its own.
pub fn sim(keys: usize) -> Sim {
    Sim::start(config(keys)).unwrap()
}

/// The set-up of [`sim`], for tests that want more.
pub fn config(keys: usize) -> Config {
    Config::default().keys((1..=keys).map(|number| Key::new(key(number), number as u64)))
}

/// A running proxy. Killed when dropped.
pub struct Potluck {
    child: Child,
    reader: Option<JoinHandle<()>>,
    said: Arc<Mutex<String>>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    here: TempDir,
    addr: SocketAddr,
}

impl Potluck {
    /// A proxy in front of this simulator.
    pub fn start(sim: &Sim) -> Potluck {
        Potluck::with(&sim.url(), &[])
    }

    /// A proxy that has been told more.
    pub fn with(upstream: &str, args: &[&str]) -> Potluck {
        Potluck::inside(folder(), upstream, args)
    }

    /// A proxy that has been told more, by its environment too.
    pub fn with_env(upstream: &str, args: &[&str], env: &[(&str, &str)]) -> Potluck {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Potluck::set_up(folder(), upstream, args, env.collect())
    }

    /// A proxy in a folder that is there already.
    pub fn inside(here: TempDir, upstream: &str, args: &[&str]) -> Potluck {
        Potluck::set_up(here, upstream, args, Vec::new())
    }

    fn set_up(here: TempDir, upstream: &str, args: &[&str], env: Vec<(String, String)>) -> Potluck {
        let upstream = format!("--upstream={upstream}");
        let fixed = ["serve", "--listen=127.0.0.1:0", &upstream];
        let formatted = args.iter().any(|arg| arg.starts_with("--log-format"));
        let text = (!formatted).then_some("--log-format=text");
        let args = fixed.iter().copied().chain(text).chain(args.iter().copied());
        let args: Vec<String> = args.map(ToString::to_string).collect();
        let (child, reader, said, addr) = launch(potluck(&here).args(&args).envs(env.clone()));
        Potluck { child, reader: Some(reader), said, args, env, here, addr }
    }

    /// A proxy with keys 1 to `keys` at the table, and a simulator that has forgotten how they came.
    pub fn joined(sim: &Sim, keys: usize) -> Potluck {
        let potluck = Potluck::start(sim);
        potluck.join(sim, 1..=keys);
        potluck
    }

    /// Lets keys join, each by a call of its own.
    pub fn join(&self, sim: &Sim, keys: impl IntoIterator<Item = usize>) {
        for number in keys {
            let answer = self.generate(&key(number), "let me join");
            assert_eq!(answer.header("x-potluck-key"), Some("stored"), "{answer:?}");
        }
        sim.clear_log();
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Its folder of data.
    pub fn data(&self) -> PathBuf {
        self.here.path().join("potluck-data")
    }

    /// The command, speaking to this server.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = potluck(&self.here);
        command.args(words).args(["--server", &self.url()]).arg("--data").arg(self.data());
        command
    }

    /// The command, on this server's data.
    pub fn on_data(&self, words: &[&str]) -> Command {
        let mut command = potluck(&self.here);
        command.args(words).arg("--data").arg(self.data());
        command
    }

    /// The operators' token.
    pub fn admin_token(&self) -> String {
        std::fs::read_to_string(self.data().join("admin-token")).unwrap().trim().to_owned()
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for the end, and gives the exit code.
    pub fn end(&mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        code
    }

    /// Stops it in good order and starts it again, on the same data.
    pub fn restart(&mut self) {
        self.signal("-TERM");
        assert_eq!(self.end(), Some(0), "{}", self.log());
        self.start_again();
    }

    /// Starts it again, on the same data.
    pub fn start_again(&mut self) {
        let (child, reader, said, addr) =
            launch(potluck(&self.here).args(&self.args).envs(self.env.clone()));
        (self.child, self.reader, self.said, self.addr) = (child, Some(reader), said, addr);
    }

    /// Sends a request and reads its answer.
    pub fn ask(&self, ask: Ask) -> Answer {
        ask.send(self.addr)
    }

    /// `GET`, with a key if one is given.
    pub fn get(&self, target: &str, key: Option<&str>) -> Answer {
        let ask = Ask::get(target);
        self.ask(match key {
            Some(key) => ask.header("x-goog-api-key", key),
            None => ask,
        })
    }

    /// A plain call.
    pub fn generate(&self, key: &str, text: &str) -> Answer {
        self.ask(generate(key, text))
    }

    /// The contributor's view of a key.
    pub fn me(&self, key: &str) -> Value {
        let answer = self.get("/pool/me", Some(key));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Changes a key's limits.
    pub fn change(&self, key: &str, patch: &Value) -> Answer {
        self.ask(Ask::new("PATCH", "/pool/me").header("x-goog-api-key", key).json(patch))
    }
}

impl Drop for Potluck {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- potluck said\n{}", self.log());
        }
    }
}

/// A plain call, to be changed or sent.
pub fn generate(key: &str, text: &str) -> Ask {
    Ask::post(&format!("/v1beta/models/{MODEL}:generateContent"))
        .header("x-goog-api-key", key)
        .json(&prompt(text))
}

/// A streamed call.
pub fn stream(key: &str, text: &str) -> Ask {
    Ask::post(&format!("/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"))
        .header("x-goog-api-key", key)
        .json(&prompt(text))
}

/// The body of a plain call.
pub fn prompt(text: &str) -> Value {
    json!({ "contents": [{ "role": "user", "parts": [{ "text": text }] }] })
}

/// The keys that the simulator was shown, without repetition.
pub fn keys_seen(sim: &Sim) -> BTreeSet<String> {
    sim.log().into_iter().filter_map(|arrival| arrival.key).collect()
}

type Launched = (Child, JoinHandle<()>, Arc<Mutex<String>>, SocketAddr);

/// Starts the command and waits until it says where it listens.
fn launch(command: &mut Command) -> Launched {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("OpenAI SDKs") {
        assert_ne!(log.read_line(&mut text).unwrap(), 0, "it did not start: {text}");
    }
    let (_, after) = text.split_once("listening on ").unwrap();
    let addr = after.split(',').next().unwrap().parse().unwrap();
    let said = Arc::new(Mutex::new(text));
    let reader = std::thread::spawn({
        let said = Arc::clone(&said);
        move || read_on(log, &said)
    });
    (child, reader, said, addr)
}

fn read_on(mut log: BufReader<ChildStderr>, said: &Mutex<String>) {
    let mut line = String::new();
    while log.read_line(&mut line).is_ok_and(|read| read > 0) {
        said.lock().unwrap().push_str(&line);
        line.clear();
    }
}
