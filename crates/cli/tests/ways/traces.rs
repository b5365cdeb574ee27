//! `--otlp`: what a collector is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use gemini_sim::KeyState;

use crate::common::raw::Ask;
use crate::common::serving::{Potluck, key, prompt, sim};

/// A collector; what it was sent, body by body.
fn collector() -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            while let Some(body) = read(&mut stream) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                if tell.send(body).is_err() {
                    return;
                }
            }
        }
    });
    (url, told)
}

fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut text, mut part) = (Vec::new(), [0; 8192]);
    loop {
        let read = stream.read(&mut part).ok().filter(|read| *read > 0)?;
        text.extend_from_slice(&part[..read]);
        let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
        let length = head.split("content-length: ").nth(1)?.lines().next()?.trim();
        let length: usize = length.parse().ok()?;
        if text.len() >= end + 4 + length {
            return Some(text[end + 4..end + 4 + length].to_vec());
        }
    }
}

#[test]
fn each_call_and_each_attempt_is_a_span_without_key_or_prompt() {
    let (url, told) = collector();
    let sim = sim(3);
    let mut potluck = Potluck::with(&sim.url(), &["--otlp", &url]);
    potluck.join(&sim, 1..=3);
    let id = potluck.me(&key(3))["id"].as_str().unwrap().to_owned();
    sim.set_state(&key(3), KeyState::Invalid);
    for _ in 0..4 {
        assert_eq!(potluck.generate(&key(1), "a most secret prompt").status, 200);
    }
    // Some put their key where the model is named.
    let path = format!("/v1beta/models/{}:generateContent", key(2));
    let misplaced = Ask::post(&path).header("x-goog-api-key", &key(1)).json(&prompt("x"));
    assert_eq!(potluck.ask(misplaced).status, 404);
    let sights = Ask::get("/pool/admin/v1/sights?after=0.0");
    let token = format!("Bearer {}", potluck.admin_token());
    let seen = potluck.ask(sights.header("authorization", &token));
    assert!(!String::from_utf8_lossy(&seen.body).contains("AIza"), "{seen:?}");
    potluck.signal("-TERM");
    assert_eq!(potluck.end(), Some(0));

    let sent: Vec<u8> = told.try_iter().flatten().collect();

    let holds =
        |text: &str| sent.windows(text.len()).filter(|part| *part == text.as_bytes()).count();
    assert_eq!(holds("exchange"), 8);
    assert_eq!(holds("key-dead"), 1, "the dead key's attempt, and the one that followed it");
    assert_eq!(holds("served"), 7);
    assert!(holds("gemini-2.5-flash") >= 7 && holds("potluck.verdict") >= 9);
    for secret in ["AIza", "secret prompt", &id] {
        assert_eq!(holds(secret), 0, "{secret}");
    }
}

#[test]
fn a_collector_that_is_not_there_costs_no_call() {
    let sim = sim(1);
    let mut potluck = Potluck::with(&sim.url(), &["--otlp", "http://127.0.0.1:1/v1/traces"]);
    potluck.join(&sim, [1]);
    assert_eq!(potluck.generate(&key(1), "x").status, 200);
    potluck.signal("-TERM");
    assert_eq!(potluck.end(), Some(0));
}
