//! Byte for byte, at once, and at the reader's pace.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::common::raw::Ask;
use crate::common::scripted::{Scripted, chunk, chunked, json, write};
use crate::common::serving::{MODEL, Potluck, generate, key, prompt, sim, stream};
use crate::event;

const EVENTS: &str = "text/event-stream";

/// An upstream that sends this body in pieces of these sizes, over and over.
fn in_pieces(content_type: &'static str, body: Vec<u8>, sizes: Vec<usize>) -> Scripted {
    Scripted::start(move |came, to| {
        if !came.line.contains("stream") {
            return write(to, json("200 OK", "{}"));
        }
        let mut rest = &body[..];
        write(to, chunked(content_type));
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            write(to, chunk(piece));
            if body.len() < 5_000 {
                // Long enough for the piece to travel alone.
                thread::sleep(Duration::from_micros(300));
            }
            rest = after;
        }
        write(to, chunk(b""))
    })
}

fn long_stream() -> Vec<u8> {
    let words = ["plain", "größer", "漢字かな", "🦀 emoji", "\\\"quoted\\\" error", "{\\n}"];
    let mut text: String = words.iter().cycle().take(20).map(|word| event(word, false)).collect();
    text += "\r\n";
    text += &event("end", true);
    text.into_bytes()
}

#[test]
fn bytes_are_equal_however_they_are_cut() {
    let body = long_stream();
    for sizes in [vec![1], vec![2, 3, 5, 7, 11, 13], vec![1, 400], vec![64], vec![1 << 20]] {
        let upstream = in_pieces(EVENTS, body.clone(), sizes.clone());
        let potluck = Potluck::with(&upstream.url(), &[]);

        let answer = potluck.ask(stream(&key(1), "x"));

        assert!(answer.whole, "{sizes:?} {answer:?}");
        assert_eq!(answer.text(), String::from_utf8_lossy(&body), "{sizes:?}");
        assert_eq!(answer.header("content-type"), Some(EVENTS));
    }
}

#[test]
fn other_bodies_are_equal_too() {
    let noise: Vec<u8> =
        (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let array = b"[{\"candidates\":[]}\n,\r\n{\"error\":1}\n]".to_vec();
    for (kind, body) in
        [("application/json", array), ("application/octet-stream", noise), ("text/plain", vec![])]
    {
        let upstream = in_pieces(kind, body.clone(), vec![1, 30_000, 7]);
        let potluck = Potluck::with(&upstream.url(), &[]);
        let ask = Ask::post(&format!("/v1beta/models/{MODEL}:streamGenerateContent"));

        let answer = potluck.ask(ask.header("x-goog-api-key", &key(1)).json(&prompt("x")));

        assert!(answer.whole && answer.body == body, "{kind}");
    }
}

#[test]
fn head_and_first_chunk_leave_before_the_next_is_there() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let upstream = Scripted::start(move |_, to| {
        let wait = || gone.lock().unwrap().recv_timeout(Duration::from_secs(20)).unwrap();
        write(to, chunked(EVENTS));
        for text in ["one", "two", "three"] {
            wait();
            write(to, chunk(event(text, text == "three").as_bytes()));
        }
        wait();
        write(to, chunk(b""))
    });
    let potluck = Potluck::with(&upstream.url(), &[]);

    let mut conn = stream(&key(1), "x").open(potluck.addr());

    let head = conn.head().unwrap();
    assert_eq!((head.status, head.header("x-potluck-key")), (200, Some("stored")));
    for text in ["one", "two", "three"] {
        go.send(()).unwrap();
        let arrived = String::from_utf8(conn.chunk().unwrap()).unwrap();
        assert_eq!(arrived, event(text, text == "three"));
    }
    go.send(()).unwrap();
    assert_eq!(conn.chunk(), Some(vec![]));
}

#[test]
fn every_kind_of_finish_is_whole() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    for text in ["hello", "[[block]]", "[[safety]]", "[[recitation]]", "[[max]] x", "[[long 300]]"]
    {
        let answer = potluck.ask(stream(&key(1), text));
        assert!(answer.status == 200 && answer.whole, "{text} {answer:?}");
        assert!(!answer.text().contains("\"error\""), "{text} {answer:?}");
    }
    let array = Ask::post(&format!("/v1beta/models/{MODEL}:streamGenerateContent"));
    let array = potluck.ask(array.header("x-goog-api-key", &key(1)).json(&prompt("[[long 300]]")));
    assert!(array.whole && array.json().as_array().unwrap().len() > 2);
}

#[test]
fn tokens_are_counted_from_what_google_says() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let before = potluck.me(&key(2))["lent"]["tokens"].as_u64().unwrap();
    (0..2).for_each(|_| assert!(potluck.ask(stream(&key(1), "[[long 40]]")).whole));
    let streamed = potluck.me(&key(2))["lent"]["tokens"].as_u64().unwrap();
    (0..2).for_each(|_| assert!(potluck.generate(&key(1), "[[long 40]]").whole));
    let plain = potluck.me(&key(2))["lent"]["tokens"].as_u64().unwrap();

    assert!(streamed > before + 40, "{before} {streamed}");
    assert_eq!(plain - streamed, streamed - before, "either way the same");
    assert_eq!(potluck.me(&key(1))["borrowed"]["tokens"].as_u64().unwrap(), plain);
}

#[test]
fn tokens_are_estimated_where_a_compatible_stream_tells_none() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let lent = || potluck.me(&key(2))["lent"]["tokens"].as_u64().unwrap();
    let chat = |more: serde_json::Value| {
        let messages = serde_json::json!([{ "role": "user", "content": "[[long 400]]" }]);
        let mut body = serde_json::json!({ "model": MODEL, "stream": true, "messages": messages });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let bearer = format!("Bearer {}", key(1));
        let ask = Ask::post("/v1/chat/completions").header("authorization", &bearer).json(&body);
        let before = lent();
        (0..2).for_each(|_| assert!(potluck.ask(ask.clone()).whole));
        lent() - before
    };

    let told = chat(serde_json::json!({ "stream_options": { "include_usage": true } }));
    let estimated = chat(serde_json::json!({}));

    assert!(told > 400, "{told}");
    assert!((told / 2..told * 2).contains(&estimated), "{told} {estimated}");
}

/// Writes a stream of `total` bytes and counts what has left.
fn flood(to: &mut TcpStream, total: usize, sent: &AtomicUsize) -> bool {
    let line = event(&"x".repeat(64 << 10), false);
    write(to, chunked(EVENTS));
    while sent.load(Ordering::SeqCst) < total {
        if !write(to, chunk(line.as_bytes())) {
            return false;
        }
        sent.fetch_add(line.len(), Ordering::SeqCst);
    }
    write(to, chunk(event("end", true).as_bytes())) && write(to, chunk(b""))
}

#[test]
fn a_reader_who_stops_holds_the_upstream_back_and_loses_nothing() {
    // What kernels buffer on four sockets is at most some ten MB.
    const TOTAL: usize = 96 << 20;
    const BUFFERED: usize = 48 << 20;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let upstream = Scripted::start(move |came, to| match came.line.contains("stream") {
        true => flood(to, TOTAL, &counted),
        false => write(to, json("200 OK", "{}")),
    });
    let potluck = Potluck::with(&upstream.url(), &[]);
    potluck.ask(generate(&key(1), "x"));

    let mut conn = stream(&key(1), "x").open(potluck.addr());
    assert_eq!(conn.head().unwrap().status, 200);
    let mut before = 0;
    loop {
        thread::sleep(Duration::from_millis(300));
        let now = sent.load(Ordering::SeqCst);
        assert!(now < BUFFERED, "{now} bytes went out though nobody reads");
        if now == before {
            break;
        }
        before = now;
    }

    let mut read = 0;
    loop {
        match conn.chunk() {
            Some(chunk) if chunk.is_empty() => break,
            Some(chunk) => read += chunk.len(),
            None => panic!("cut after {read} bytes"),
        }
    }
    assert_eq!(read, sent.load(Ordering::SeqCst) + event("end", true).len());
}
