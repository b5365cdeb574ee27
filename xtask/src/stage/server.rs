//! A server that ends with the value that stands for it.

use crate::shell::{isolate, program, shown, succeeds};
use crate::stage::listens;
use crate::{Result, shell};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// So long may a server take until it listens: workerd, twice started, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long may a server take to end in good order.
const FAREWELL: Duration = Duration::from_secs(10);
/// Of what it printed, so many lines are shown, and so much of each.
const LINES: usize = 30;
const LINE: usize = 200;
/// Between looks at a server that comes or goes.
const TICK: Duration = Duration::from_millis(20);

/// A running server.
pub struct Server {
    child: Child,
    log: PathBuf,
    polite: bool,
}

impl Server {
    /// Starts it and waits until it listens on that port.
    pub fn start(command: &mut Command, port: u16, log: PathBuf) -> Result<Server> {
        Server::start_until(command, || listens(port), log)
    }

    /// Starts it and waits until it is ready.
    pub fn start_until(
        command: &mut Command,
        ready: impl Fn() -> bool,
        log: PathBuf,
    ) -> Result<Server> {
        let file = std::fs::File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        let twin = file.try_clone().map_err(|e| e.to_string())?;
        let child = isolate(command).stdout(file).stderr(twin).stdin(Stdio::null()).spawn();
        let child = child.map_err(|e| format!("{}: {e}", shown(command)))?;
        let mut server = Server { child, log, polite: false };
        let until = Instant::now() + PATIENCE;
        while !ready() {
            if server.has_ended() || Instant::now() > until {
                let said = server.said();
                return Err(format!("`{}` did not start: {said}", shell::shown(command)));
            }
            std::thread::sleep(TICK);
        }
        Ok(server)
    }

    /// Is asked to end rather than killed, as it has a process of its own to end.
    pub fn politely(mut self) -> Server {
        self.polite = true;
        self
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where what it prints is written.
    pub fn log(&self) -> &PathBuf {
        &self.log
    }

    /// The end of what it printed.
    pub fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let short = |line: &str| line.chars().take(LINE).collect::<String>();
        let lines: Vec<String> = text.lines().map(short).collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let until = Instant::now() + FAREWELL;
        let asked = self.polite && succeeds(program("kill").arg(self.id().to_string()));
        while asked && !self.has_ended() && Instant::now() < until {
            std::thread::sleep(TICK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
