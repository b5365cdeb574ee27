//! What operators are told when something is wrong.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gemini_sim::KeyState;
use serde_json::{Value, json};

use crate::common::raw::Ask;
use crate::common::serving::{Potluck, key, sim};

const SECRET: &str = "sixteen bytes and more";

/// A message as it came.
struct Message {
    head: String,
    body: String,
}

impl Message {
    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(one, _)| one.eq_ignore_ascii_case(name));
        found.next().unwrap_or_else(|| panic!("{name}\n{}", self.head)).1
    }
}

/// Takes messages, but answers the first with 503 and sends the second elsewhere.
fn receiver() -> (String, mpsc::Receiver<Message>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let Some(message) = read(&mut stream) else { continue };
            let status = match number {
                0 => "503 Service Unavailable",
                1 => "308 Permanent Redirect\r\nlocation: /elsewhere",
                _ => "204 No Content",
            };
            let answer =
                format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes());
            if tell.send(message).is_err() {
                return;
            }
        }
    });
    (url, told)
}

fn read(stream: &mut TcpStream) -> Option<Message> {
    let (mut text, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut part).ok().filter(|read| *read > 0)?;
        text.extend_from_slice(&part[..read]);
        let all = String::from_utf8_lossy(&text);
        if let Some((head, body)) = all.split_once("\r\n\r\n") {
            let lengths = head.lines().filter_map(|line| line.split_once(": "));
            let mut length =
                lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            if body.len() >= length.next()?.1.parse().ok()? {
                return Some(Message { head: head.to_owned(), body: body.to_owned() });
            }
        }
    }
}

#[test]
fn an_alarm_reaches_the_webhook_signed_though_it_fails_at_first_and_holds_no_key() {
    let (url, told) = receiver();
    let sim = sim(3);
    let secret = ("POTLUCK_WEBHOOK_SECRET", SECRET);
    let potluck = Potluck::with_env(&sim.url(), &["--webhook", &url], &[secret]);
    potluck.join(&sim, 1..=3);
    let id = potluck.me(&key(3))["id"].as_str().unwrap().to_owned();
    sim.set_state(&key(3), KeyState::Invalid);
    (0..4).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200));

    let messages: Vec<Message> = (0..3).map(|_| told.recv().unwrap()).collect();

    let ids: Vec<&str> = messages.iter().map(|message| message.header("webhook-id")).collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2], "the same, sent again: {ids:?}");
    let last = &messages[2];
    let body: Value = serde_json::from_str(&last.body).unwrap();
    assert_eq!(body["type"], "potluck.alarm");
    assert_eq!((&body["data"]["alarm"], &body["data"]["key"]), (&json!("key-died"), &json!(id)));
    assert!(!last.body.contains("AIza"));
    let signed = format!("{}.{}.{}", ids[2], last.header("webhook-timestamp"), last.body);
    let signer = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let expected = BASE64.encode(hmac::sign(&signer, signed.as_bytes()).as_ref());
    assert_eq!(last.header("webhook-signature"), format!("v1,{expected}"));
    assert!(!potluck.log().contains(SECRET) && !potluck.log().contains("/hook"));
}

#[test]
fn alarms_that_stand_and_late_ones_are_told_to_operators() {
    let sim = sim(4);
    let potluck = Potluck::joined(&sim, 4);
    assert_eq!(alarms(&potluck), json!({ "standing": [], "late": [] }));
    let out = |out: bool| {
        for number in 1..=4 {
            let id = potluck.me(&key(number))["id"].as_str().unwrap().to_owned();
            let token = format!("Bearer {}", potluck.admin_token());
            let change = Ask::new("PATCH", &format!("/pool/admin/v1/keys/{id}"));
            let change = change.header("authorization", &token).json(&json!({ "disabled": out }));
            assert_eq!(potluck.ask(change).status, 200);
        }
    };

    out(true);
    until(&potluck, |alarms| alarms["standing"][0]["alarm"] == "pool-low");
    out(false);
    until(&potluck, |alarms| alarms["standing"] == json!([]));
    let late = alarms(&potluck)["late"].clone();
    assert_eq!((&late[0]["change"], &late[1]["change"]), (&json!("cleared"), &json!("raised")));
    assert_eq!(late.as_array().unwrap().len(), 2, "what an operator puts out has not died");
}

#[test]
fn the_alarm_about_everyone_is_over_when_the_keys_were_good_after_all() {
    let sim = sim(6);
    let potluck = Potluck::joined(&sim, 6);
    let all =
        |state: KeyState| (1..=6).for_each(|n| assert!(sim.set_state(&key(n), state.clone())));

    all(KeyState::Invalid);
    (0..3).for_each(|_| drop(potluck.generate(&key(1), "x")));
    until(&potluck, |alarms| alarms["standing"].to_string().contains("everyone"));
    all(KeyState::Good);
    (1..=6).for_each(|n| drop(potluck.generate(&key(n), "x")));

    until(&potluck, |alarms| alarms["standing"] == json!([]));
    let changes = alarms(&potluck)["late"].to_string();
    assert!(changes.contains("cleared"), "{changes}");
}

/// What operators are told.
fn alarms(potluck: &Potluck) -> Value {
    let token = format!("Bearer {}", potluck.admin_token());
    let ask = Ask::get("/pool/admin/v1/alarms").header("authorization", &token);
    potluck.ask(ask).json()
}

fn until(potluck: &Potluck, holds: impl Fn(&Value) -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(90);
    while !holds(&alarms(potluck)) {
        assert!(std::time::Instant::now() < end, "{}", alarms(potluck));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_webhook_without_a_secret_is_refused_at_the_start() {
    let here = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--webhook", "https://example.org/x"]);
    let done = command.current_dir(here.path()).env_clear().output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(!done.status.success() && said.contains("POTLUCK_WEBHOOK_SECRET"), "{said}");
}
