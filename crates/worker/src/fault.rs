//! What D1's errors mean for whoever asked.
//!
//! D1 knows no error codes. It ends a message with SQLite's name for the kind of error, after a
//! colon; that word decides, never the words before it, which quote the statement.

use potluck_store::StoreError;

/// Which error of the store's it is.
///
/// [`StoreError::Unavailable`] is what passes by itself: D1 restarting, overloaded, out of reach.
/// Whether such a write was made cannot be told; making it again is harmless but for counts, which
/// may then be too high by one flush.
pub fn of(message: &str) -> StoreError {
    match kind(message) {
        "SQLITE_CONSTRAINT" | "SQLITE_TOOBIG" | "SQLITE_MISMATCH" => StoreError::Rejected,
        "SQLITE_FULL" => StoreError::Full,
        // The statements are ours, so it is the schema that is not.
        "SQLITE_ERROR" | "SQLITE_CORRUPT" | "SQLITE_NOTADB" => StoreError::Failed,
        _ => StoreError::Unavailable,
    }
}

/// The last word after a colon: `… failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_CHECK)` is
/// of the kind `SQLITE_CONSTRAINT`. What is extended is a finer name of the same.
fn kind(message: &str) -> &str {
    let plain = message.rsplit_once(" (extended: ").map_or(message, |(plain, _)| plain);
    plain.rsplit(": ").next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_decides() {
        for (message, expected) in [
            ("CHECK constraint failed: length(id) = 16: SQLITE_CONSTRAINT", StoreError::Rejected),
            (
                "D1_ERROR: CHECK constraint failed: length(model) <= 256: SQLITE_CONSTRAINT \
                 (extended: SQLITE_CONSTRAINT_CHECK)",
                StoreError::Rejected,
            ),
            ("string or blob too big: SQLITE_TOOBIG", StoreError::Rejected),
            ("no such table: keys: SQLITE_ERROR", StoreError::Failed),
            ("database or disk is full: SQLITE_FULL", StoreError::Full),
            ("Network connection lost.", StoreError::Unavailable),
            ("D1 DB is overloaded. Requests queued for too long.", StoreError::Unavailable),
            ("said SQLITE_CONSTRAINT: and then something else", StoreError::Unavailable),
            ("", StoreError::Unavailable),
        ] {
            assert_eq!(of(message), expected, "{message}");
        }
    }
}
