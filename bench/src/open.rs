//! Open loop: calls are due at fixed times, whether or not answers come. Tells latency.
//!
//! Threads with plain sockets: the kernel's timers wake them within tens of microseconds, where an
//! async runtime rounds to milliseconds.

use crate::Target;
use crate::closed::count;
use crate::tally::Tally;
use crate::wire::{Answer, bad, request};
use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Runs the load, a thread for each connection.
pub fn run(target: &Target, rate: u32) -> Result<Tally> {
    let step = Duration::from_secs(1) / rate;
    let began = Instant::now() + Duration::from_millis(50);
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..target.connections)
            .map(|n| scope.spawn(move || connection(target, n, step, began)))
            .collect();
        for thread in threads {
            tally.add(thread.join().map_err(|_| bad("a thread failed"))??);
        }
        tally.took = began.elapsed();
        Ok(tally)
    })
}

fn connection(target: &Target, n: usize, step: Duration, began: Instant) -> Result<Tally> {
    let ask = request(&target.to.to_string(), false, target.key(n));
    let mut line = TcpStream::connect(target.to)?;
    line.set_nodelay(true)?;
    line.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut tally = Tally::default();
    let mut buffer = vec![0; 16 * 1024];
    let mut due = began + step * u32::try_from(n).map_err(bad)?;
    let stride = step * u32::try_from(target.connections).map_err(bad)?;
    while due < began + target.time() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let answer = call(&mut line, &ask, &mut buffer)?;
        tally.times.push(due.elapsed());
        count(&mut tally, &answer, false);
        due += stride;
    }
    Ok(tally)
}

fn call(line: &mut TcpStream, ask: &[u8], buffer: &mut [u8]) -> Result<Answer> {
    line.write_all(ask)?;
    let mut answer = Answer::default();
    loop {
        let read = line.read(buffer)?;
        if read == 0 {
            return Err(bad("the connection ended within an answer"));
        }
        if answer.push(&buffer[..read])? {
            return Ok(answer);
        }
    }
}
