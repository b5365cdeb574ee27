//! Single calls, each on a connection of its own, in as little time of our own as can be.

use crate::Result;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

/// So long may a process take until it listens, or an answer until it is there.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a port; small beside what is timed.
const LOOK: Duration = Duration::from_millis(1);
/// What every call says; the same as the load generator's.
const BODY: &str = r#"{"contents":[{"role":"user","parts":[{"text":"Why is the sky blue?"}]}]}"#;

/// One call to Google's API; an error unless it is answered well.
pub fn call(port: u16, key: &str) -> Result<String> {
    exchange(&mut connect(port)?, &request(key))
}

/// Waits until the port takes a connection, and calls at once; how long the call took.
pub fn first_call(port: u16, key: &str) -> Result<Duration> {
    let request = request(key);
    let mut line = connect(port)?;
    let began = Instant::now();
    exchange(&mut line, &request)?;
    Ok(began.elapsed())
}

/// How many statements D1 was asked for since the last time.
pub fn watched(port: u16) -> Result<u64> {
    let text = "GET /watched HTTP/1.1\r\nhost: worker\r\n\r\n";
    let count = exchange(&mut connect(port)?, text)?;
    count.trim().parse().map_err(|e| format!("{e} in {count:?}"))
}

fn request(key: &str) -> String {
    format!(
        "POST /v1beta/models/gemini-2.5-flash:generateContent HTTP/1.1\r\nhost: worker\r\n\
         x-goog-api-key: {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{BODY}",
        BODY.len()
    )
}

fn connect(port: u16) -> Result<TcpStream> {
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(line) => return Ok(line),
            Err(error) if Instant::now() > until => return Err(error.to_string()),
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

/// Asks, and gives the body of a good answer as soon as it is whole: workerd keeps the connection
/// for seconds, whatever it is asked.
fn exchange(line: &mut TcpStream, request: &str) -> Result<String> {
    line.set_nodelay(true)
        .and_then(|()| line.set_read_timeout(Some(PATIENCE)))
        .and_then(|()| line.write_all(request.as_bytes()))
        .map_err(|e| e.to_string())?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = line.read(&mut buffer).map_err(|e| e.to_string())?;
        answer.extend_from_slice(&buffer[..read]);
        if let Some(body) = whole(&String::from_utf8_lossy(&answer))? {
            return Ok(body);
        }
        if read == 0 {
            return Err("the connection ended within an answer".to_owned());
        }
    }
}

/// The body, once all of it is there; an error if it is not that of a good answer.
fn whole(answer: &str) -> Result<Option<String>> {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Ok(None) };
    let mut headers = head.lines();
    let status = headers.next().unwrap_or_default();
    let length = headers
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.parse().ok());
    let body = match length {
        Some(length) if body.len() >= length => body.to_owned(),
        None if body.ends_with("\r\n0\r\n\r\n") => unchunked(body),
        _ => return Ok(None),
    };
    let good = status.split(' ').nth(1) == Some("200");
    let shown = || body.chars().take(300).collect::<String>();
    if good { Ok(Some(body)) } else { Err(format!("{status}: {}", shown())) }
}

/// The lines of a chunked body that are not sizes.
fn unchunked(body: &str) -> String {
    body.split("\r\n").skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd";
        assert_eq!(whole(&answer[..answer.len() - 1]), Ok(None));
        assert_eq!(whole(answer), Ok(Some("abcd".to_owned())));
        let chunked = "HTTP/1.1 200 OK\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(whole(&chunked[..chunked.len() - 3]), Ok(None));
        assert_eq!(whole(chunked), Ok(Some("abc".to_owned())));
    }

    #[test]
    fn an_answer_that_is_not_good_says_why() {
        let refused = "HTTP/1.1 501 Not Implemented\r\nContent-Length: 3\r\n\r\nno.";
        assert_eq!(whole(refused), Err("HTTP/1.1 501 Not Implemented: no.".to_owned()));
    }
}
