//! Where log lines go, and how they look.

use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::scrub::Scrubbing;
use crate::values::{Filter, LogFormat};

/// Sends log lines to standard error from now on; panics become log lines too.
pub fn start(filter: &Filter, format: LogFormat) {
    let terminal = io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    start_to(filter.to_env_filter(), json, colours, || Scrubbing(io::stderr()));
    panic::set_hook(Box::new(tell_panic));
}

fn start_to<W>(filter: EnvFilter, json: bool, colours: bool, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    // A second start keeps the first one's lines, which only happens in tests.
    let _ = if json {
        tracing::subscriber::set_global_default(lines.json().flatten_event(true).finish())
    } else {
        tracing::subscriber::set_global_default(lines.with_ansi(colours).finish())
    };
}

/// A panic's words can hold what the panicking code held: they take the same way as all others.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let words = panic.payload_as_str().unwrap_or("no words");
    tracing::error!(target: "potluck", place, "panicked: {words}");
}
