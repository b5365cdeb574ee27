//! `potluck serve` from start to stop, and why it may refuse to start.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use common::{Ended, folder, potluck, run};
use tempfile::TempDir;

/// A server that listens, and what it has said until then.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    fn start(here: &TempDir) -> Running {
        Running::start_before(here, "127.0.0.1:9")
    }

    fn start_before(here: &TempDir, upstream: &str) -> Running {
        let mut command = potluck(here);
        command.args(["serve", "--listen=127.0.0.1:0", "--drain-timeout=1m"]);
        command.arg(format!("--upstream=http://{upstream}"));
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut running = Running { child, log, said: String::new() };
        while !running.said.contains("OpenAI SDKs") {
            assert_ne!(running.log.read_line(&mut running.said).unwrap(), 0, "{}", running.said);
        }
        running
    }

    /// Where it said it listens.
    fn address(&self) -> String {
        let (_, rest) = self.said.split_once("listening on ").unwrap();
        rest.split(',').next().unwrap().to_owned()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn refused(command: &mut Command) -> String {
    let Ended { code, out, err } = run(command);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    let sentence = err.lines().last().unwrap().to_owned();
    assert!(sentence.starts_with("potluck: "), "{err}");
    sentence
}

#[test]
fn a_start_with_no_settings_says_where_things_are_and_no_secret() {
    let here = folder();

    let running = Running::start(&here);

    let data = here.path().join("potluck-data");
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    for name in ["admin-token", "master-key"] {
        let path = data.join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(running.said.contains(&format!("potluck-data/{name}")), "{}", running.said);
        assert!(!running.said.contains(fs::read_to_string(&path).unwrap().trim()));
    }
    assert!(running.said.contains("base URL for Gemini SDKs: http://127.0.0.1:"));
}

#[test]
fn sigterm_and_sigint_end_it_with_0() {
    for name in ["-TERM", "-INT"] {
        let here = folder();
        let running = Running::start(&here);
        running.signal(name);
        assert_eq!(running.end(), Some(0), "{name}");
    }
}

#[test]
fn a_second_start_keeps_the_secrets_and_does_not_speak_of_them() {
    let here = folder();
    let first = Running::start(&here);
    let token = fs::read(here.path().join("potluck-data/admin-token")).unwrap();
    first.signal("-TERM");
    assert_eq!(first.end(), Some(0));

    let second = Running::start(&here);

    assert!(!second.said.contains("admin-token"), "{}", second.said);
    assert_eq!(fs::read(here.path().join("potluck-data/admin-token")).unwrap(), token);
}

#[test]
fn two_servers_on_one_folder_are_refused() {
    let here = folder();
    let _first = Running::start(&here);

    let sentence = refused(potluck(&here).args(["serve", "--listen=127.0.0.1:0"]));

    assert!(sentence.contains("potluck-data"), "{sentence}");
}

#[test]
fn a_port_in_use_is_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();

    let sentence = refused(potluck(&folder()).args(["serve", "--listen", &listen]));

    assert!(sentence.contains(&listen), "{sentence}");
}

#[test]
fn a_data_folder_that_cannot_be_written_is_one_sentence() {
    let here = folder();
    fs::write(here.path().join("file"), "").unwrap();

    let sentence = refused(potluck(&here).args(["serve", "--data=file/data"]));

    assert!(sentence.contains("Cannot write in the data folder file/data"), "{sentence}");
}

#[test]
fn the_first_signal_lets_calls_finish_and_the_second_cuts_them() {
    // A socket that takes connections and never answers: the call hangs as long as it may.
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = folder();
    let mut running = Running::start_before(&here, &upstream.local_addr().unwrap().to_string());
    let address = running.address();
    let mut caller = TcpStream::connect(&address).unwrap();
    let key = "AIza".to_owned() + &"x".repeat(35);
    write!(
        caller,
        "GET /v1beta/models HTTP/1.1\r\nHost: {address}\r\nx-goog-api-key: {key}\r\n\r\n"
    )
    .unwrap();
    let _asked = upstream.accept().unwrap();

    running.signal("-TERM");
    std::thread::sleep(Duration::from_millis(300));
    let after_first = running.child.try_wait().unwrap();
    running.signal("-TERM");

    assert_eq!(after_first, None, "the first signal did not wait for the call");
    assert_eq!(running.end(), Some(0));
}

/// Stops a server after its first start, so that there is a database.
fn started_once() -> TempDir {
    let here = folder();
    let running = Running::start(&here);
    running.signal("-TERM");
    assert_eq!(running.end(), Some(0));
    here
}

#[test]
fn a_wrong_master_key_is_one_sentence() {
    let (here, other) = (started_once(), started_once());
    let key = |here: &TempDir| here.path().join("potluck-data/master-key");
    fs::copy(key(&other), key(&here)).unwrap();

    let sentence = refused(potluck(&here).args(["serve", "--listen=127.0.0.1:0"]));

    assert!(sentence.contains("master key"), "{sentence}");
}

#[test]
fn a_lost_master_key_is_not_made_anew() {
    let here = started_once();
    let key = here.path().join("potluck-data/master-key");
    fs::remove_file(&key).unwrap();

    let sentence = refused(potluck(&here).args(["serve", "--listen=127.0.0.1:0"]));

    assert!(sentence.contains("master-key is missing"), "{sentence}");
    assert!(!key.exists());
}
