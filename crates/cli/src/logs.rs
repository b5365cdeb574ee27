//! Where log lines go, and how they look.

use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;

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
    let lines = lines(filter.to_env_filter(), json, colours, io::stderr);
    // A second start keeps the first one's lines.
    let _ = tracing::subscriber::set_global_default(lines);
    panic::set_hook(Box::new(tell_panic));
}

/// Log lines on their way to the writer, each scrubbed.
fn lines<W, O>(filter: EnvFilter, json: bool, colours: bool, open: O) -> Lines
where
    W: io::Write + 'static,
    O: Fn() -> W + Send + Sync + 'static,
{
    let writer = move || Scrubbing(open());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    if json {
        Box::new(lines.json().flatten_event(true).finish())
    } else {
        Box::new(lines.with_ansi(colours).finish())
    }
}

type Lines = Box<dyn Subscriber + Send + Sync>;

/// A panic's words can hold what the panicking code held: they take the same way as all others.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let words = panic.payload_as_str().unwrap_or("no words");
    tracing::error!(target: "potluck", place, "panicked: {words}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_key_leaves_in_a_line_whatever_its_format_and_level() {
        let key = format!("AIza{}", "x".repeat(35));
        for json in [false, true] {
            let kept = Kept::default();
            let open = kept.clone();
            let lines = lines(EnvFilter::new("trace"), json, false, move || open.clone());

            tracing::subscriber::with_default(lines, || {
                let span = tracing::trace_span!("call", shown = key.as_str());
                span.in_scope(|| tracing::trace!(field = ?key, "words with {key}"));
            });

            let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
            assert_eq!(text.matches("AIza***").count(), text.matches("AIza").count(), "{text}");
            assert!(text.matches("AIza***").count() >= 3 && !text.contains("xxx"), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }

    #[test]
    fn the_words_of_a_panic_are_a_line_without_keys() {
        let key = format!("AIza{}", "x".repeat(35));
        let kept = Kept::default();
        let open = kept.clone();
        let lines = lines(EnvFilter::new("trace"), false, false, move || open.clone());
        panic::set_hook(Box::new(tell_panic));

        let panicked = tracing::subscriber::with_default(lines, || {
            panic::catch_unwind(|| panic!("it held {key}"))
        });

        let _ = panic::take_hook();
        assert!(panicked.is_err());
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("panicked: it held AIza***") && !text.contains("xxx"), "{text}");
        assert!(text.contains("logs.rs"), "it says where: {text}");
    }
}
