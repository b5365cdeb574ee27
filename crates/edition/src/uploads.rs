//! What our signature on the URL of an upload is for, and for how long.

use std::time::Duration;

/// What the signature is for; no other signature of ours is good here.
pub const PURPOSE: &str = "upload-url";
/// Google lets an upload be resumed for a week; so long the URL is good.
pub const GOOD_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
