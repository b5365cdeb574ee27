//! A client that hides nothing: raw HTTP/1.1 over a socket of its own.

#![allow(clippy::unwrap_used, dead_code)]

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use gemini_sim::{Config, Key, Sim};
use serde_json::Value;

pub const KEY: &str = "AIzaSyGoodGoodGoodGoodGoodGoodGoodGood1";
pub const OTHER: &str = "AIzaSyOtherOtherOtherOtherOtherOtherOt2";
pub const AUTH: &str = "AQ.Ab8RN6KaKaKaKaKaKaKaKaKaKaKaKaKaKaKaKaKaKaKaKaKaKa";
pub const ASK: &str = r#"{"contents":[{"parts":[{"text":"12 + 30?"}]}]}"#;
pub const GENERATE: &str = "/v1beta/models/gemini-2.5-flash:generateContent";
pub const STREAM: &str = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";

/// A simulator with two keys of two projects, and an auth key of the first.
pub fn sim() -> Sim {
    let keys = [Key::new(KEY, 1_001), Key::new(OTHER, 1_002), Key::new(AUTH, 1_001)];
    Sim::start(Config::default().keys(keys)).unwrap()
}

/// What came back.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub head: String,
    /// The body without its chunks' frames.
    pub body: Vec<u8>,
    /// False when the connection ended before the body did.
    pub whole: bool,
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Asks once, over a connection of its own.
pub fn ask(sim: &Sim, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
    let mut stream = open(sim, method, target, headers, body);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    parse(&bytes)
}

/// Sends a request and leaves the answer on the socket.
pub fn open(
    sim: &Sim,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> TcpStream {
    let mut stream = TcpStream::connect(sim.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n", sim.addr());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    stream
}

/// Asks with a key in the native place.
pub fn with_key(sim: &Sim, key: &str, method: &str, target: &str, body: &str) -> Got {
    ask(sim, method, target, &[("x-goog-api-key", key)], body.as_bytes())
}

fn parse(bytes: &[u8]) -> Got {
    let Some(middle) = bytes.windows(4).position(|at| at == b"\r\n\r\n") else {
        return Got { status: 0, head: String::new(), body: Vec::new(), whole: false };
    };
    let head = String::from_utf8_lossy(&bytes[..middle]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut got = Got { status, head, body: bytes[middle + 4..].to_vec(), whole: true };
    if got.header("transfer-encoding").is_some() {
        (got.body, got.whole) = unchunk(&got.body);
    } else if let Some(length) = got.header("content-length") {
        got.whole = length.parse() == Ok(got.body.len());
    }
    got
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|at| at == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = rest.get(end + 2..end + 2 + size) else { break };
        body.extend_from_slice(chunk);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    (body, false)
}
