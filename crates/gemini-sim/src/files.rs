//! Files of projects.

use crate::{
    call::{Call, Reply},
    path::Path,
    problem::Problem,
    world::World,
};

/// What a redirect leads to: a file's content, without a key.
///
/// # Errors
/// Whatever Google refuses.
pub fn ticket(_world: &World, _path: &Path) -> Reply {
    Err(Problem::nothing_here())
}

/// A file's content.
///
/// # Errors
/// Whatever Google refuses.
pub fn download(_call: &Call) -> Reply {
    Err(Problem::nothing_here())
}
