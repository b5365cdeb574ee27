//! The delay of each event of a stream: this process is the server behind the proxy and the client
//! before it, so that one clock tells when an event left and when it came.

use crate::Target;
use crate::closed::EVENTS;
use crate::tally::Tally;
use crate::wire::{BODY, bad, request};
use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Between two events: long enough that each travels alone.
const GAP: Duration = Duration::from_millis(10);
/// Stands before the time in each event.
const MARK: &[u8] = b"\"responseId\":\"";

/// Serves and asks until the time is over.
pub fn run(target: &Target, listen: SocketAddr) -> Result<Tally> {
    let clock = Instant::now();
    let listener = TcpListener::bind(listen)?;
    std::thread::spawn(move || {
        for line in listener.incoming().flatten() {
            std::thread::spawn(move || serve(line, clock));
        }
    });
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..target.connections).map(|n| scope.spawn(move || ask(target, n, clock))).collect();
        for thread in threads {
            tally.add(thread.join().map_err(|_| bad("a thread failed"))??);
        }
        tally.took = clock.elapsed();
        Ok(tally)
    })
}

/// The server: whatever is asked, a stream of stamped events.
fn serve(mut line: TcpStream, clock: Instant) -> Result<()> {
    line.set_nodelay(true)?;
    while asked(&mut line)? {
        line.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
              transfer-encoding: chunked\r\n\r\n",
        )?;
        for n in 1..=EVENTS {
            std::thread::sleep(GAP);
            let event = event(clock.elapsed(), n == EVENTS);
            line.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())?;
        }
        line.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}

/// Reads one request to the end of the body that all requests here have; false at the end.
fn asked(line: &mut TcpStream) -> Result<bool> {
    let (mut buffer, mut text) = ([0; 4096], Vec::new());
    while memchr::memmem::find(&text, BODY.as_bytes()).is_none() {
        let read = line.read(&mut buffer)?;
        if read == 0 {
            return Ok(false);
        }
        text.extend_from_slice(&buffer[..read]);
    }
    Ok(true)
}

fn event(stamp: Duration, last: bool) -> String {
    let finish = if last { r#","finishReason":"STOP""# } else { "" };
    format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{}\"}}],\
         \"role\":\"model\"}},\"index\":0{finish}}}],\"responseId\":\"{:020}\"}}\r\n\r\n",
        "word ".repeat(16),
        stamp.as_nanos()
    )
}

/// The client: asks again and again; a stream counts only if every event came.
fn ask(target: &Target, n: usize, clock: Instant) -> Result<Tally> {
    let request = request(&target.to.to_string(), true, target.key(n));
    let mut line = TcpStream::connect(target.to)?;
    line.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut tally = Tally::default();
    let mut buffer = vec![0; 16 * 1024];
    while clock.elapsed() < target.time() {
        line.write_all(&request)?;
        let (mut text, mut seen) = (Vec::new(), 0);
        while !text.ends_with(b"\r\n0\r\n\r\n") {
            let read = line.read(&mut buffer)?;
            if read == 0 {
                return Err(bad("the connection ended within a stream"));
            }
            text.extend_from_slice(&buffer[..read]);
            let now = clock.elapsed();
            let stamps: Vec<Duration> = stamps(&text).skip(seen).collect();
            seen += stamps.len();
            tally.times.extend(stamps.into_iter().map(|stamp| now.saturating_sub(stamp)));
        }
        tally.done += u64::from(seen == EVENTS);
        tally.failed += u64::from(seen != EVENTS);
    }
    Ok(tally)
}

fn stamps(text: &[u8]) -> impl Iterator<Item = Duration> + '_ {
    let whole = |at: usize| text.get(at + MARK.len()..at + MARK.len() + 20);
    let numbers = memchr::memmem::find_iter(text, MARK).filter_map(whole);
    let numbers = numbers.filter_map(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    numbers.map(Duration::from_nanos)
}
