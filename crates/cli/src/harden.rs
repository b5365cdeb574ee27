//! What the process asks of the system for its own safety, where that is cheap.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files besides connections: database, logs, listeners, a runtime's own.
const OTHER_FILES: u64 = 64;

/// No memory image of this process, with keys in it, shall reach a disk or another process.
pub fn forbid_dumps() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Allows as many open files as the system lets us, and tells if that is too few for the
/// connections: each may need a second one, to the upstream.
pub fn open_files(connections: usize) -> Option<String> {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, most).is_err() {
        tracing::debug!(target: "potluck", "the limit on open files stays as it is");
    }
    let allowed = getrlimit(Resource::Nofile).current?;
    let wanted = connections as u64 * 2 + OTHER_FILES;
    (allowed < wanted).then(|| {
        format!(
            "this process may open {allowed} files, but max-connections ({connections}) may need \
             {wanted}; raise the limit (ulimit -n) or lower the setting"
        )
    })
}
