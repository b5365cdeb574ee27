//! Closed loop: every connection asks again as soon as it has its answer. Tells throughput.

use crate::Target;
use crate::tally::Tally;
use crate::wire::{Answer, bad, request};
use std::io::Result;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Events of a stream.
pub const EVENTS: usize = 20;

/// Runs the load on one thread.
pub fn run(target: &Target, stream: bool) -> Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut all = JoinSet::new();
        let began = Instant::now();
        for n in 0..target.connections {
            let ask = request(&target.to.to_string(), stream, target.key(n));
            let line = TcpStream::connect(target.to).await?;
            line.set_nodelay(true)?;
            all.spawn(connection(line, ask, began + target.time(), stream));
        }
        let mut tally = Tally::default();
        while let Some(one) = all.join_next().await {
            tally.add(one.map_err(bad)??);
        }
        tally.took = began.elapsed();
        Ok(tally)
    })
}

async fn connection(
    mut line: TcpStream,
    ask: Vec<u8>,
    until: Instant,
    stream: bool,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut buffer = vec![0; 16 * 1024];
    while Instant::now() < until {
        let asked = Instant::now();
        let answer = call(&mut line, &ask, &mut buffer).await?;
        tally.times.push(asked.elapsed());
        count(&mut tally, &answer, stream);
    }
    Ok(tally)
}

async fn call(line: &mut TcpStream, ask: &[u8], buffer: &mut [u8]) -> Result<Answer> {
    line.write_all(ask).await?;
    let mut answer = Answer::default();
    loop {
        let read = tokio::time::timeout(Duration::from_secs(10), line.read(buffer)).await??;
        if read == 0 {
            return Err(bad("the connection ended within an answer"));
        }
        if answer.push(&buffer[..read])? {
            return Ok(answer);
        }
    }
}

/// Counts an answer as done only if it is as long as the first, with all its events.
pub fn count(tally: &mut Tally, answer: &Answer, stream: bool) {
    if tally.bytes == 0 {
        tally.bytes = answer.bytes;
    }
    let whole = answer.bytes == tally.bytes && (!stream || answer.lines == EVENTS);
    tally.done += u64::from(whole);
    tally.failed += u64::from(!whole);
}
