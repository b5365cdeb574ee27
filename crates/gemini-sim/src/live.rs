//! Live sockets.

use std::io;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::{
    answer::Steps, credential::Shown, faults, handle::Peer, passage::Passage, path::Path,
    problem::Problem,
};

/// Answers the opening of a socket.
///
/// # Errors
/// When the connection is to end without an answer.
pub fn open(
    peer: Peer,
    _request: Request<Incoming>,
    path: Path,
    _shown: Shown,
    passage: Passage,
) -> io::Result<Response<Steps>> {
    let answer = Problem::nothing_here().answer(path.shape());
    Ok(faults::play(None, answer, false, &peer, passage))
}
