//! Uploads.

use http::request::Parts;

use crate::{
    call::{Call, Reply},
    handle::Received,
    path::Path,
    problem::Problem,
    world::World,
};

/// A part of a resumable upload: needs no key, the id is enough.
///
/// # Errors
/// Whatever Google refuses.
pub fn part(_world: &World, _path: &Path, _parts: &Parts, _received: &Received) -> Reply {
    Err(Problem::nothing_here())
}

/// The start of an upload, or a whole one.
///
/// # Errors
/// Whatever Google refuses.
pub fn start(_call: &Call) -> Reply {
    Err(Problem::nothing_here())
}
