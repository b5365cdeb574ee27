//! Reading a body whole, where the body decides who may serve the call.
//!
//! Rule: memory is reserved before it is filled; the body is scanned as it arrives; and a caller
//! who stalls holds no key meanwhile, since none is chosen before the body is there.

use std::future::poll_fn;

use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;
use potluck_gemini::body::Scanner;

use crate::idle::Idle;
use crate::kept::Reservation;
use crate::sending::{Pieces, SILENCE, Sending, poll_rest};

/// A key that has proved nothing yet may have this much kept; a larger first call streams with its
/// own key. Generous for a first prompt, too little to fill a memory with.
pub const UNPROVEN: usize = 1 << 20;

/// Smaller pieces are joined, so that a caller who sends single bytes cannot make the list of them
/// larger than the body. What hyper hands over in one piece of an honest body is mostly larger.
const SMALL: usize = 4 << 10;
/// Joined pieces are this large: a few of them make up the largest prompts of text.
const JOINED: usize = 64 << 10;

/// What became of reading.
pub enum Intake {
    /// All of it, and what it occupies.
    Whole(Pieces, Reservation),
    /// It grew beyond what may be kept: what was read, then what is still to come.
    Overflow(Sending),
}

/// Why a body could not be read.
#[derive(Debug, PartialEq, Eq)]
pub enum IntakeError {
    /// No memory for it now.
    Full,
    /// The caller's connection broke, or its framing is wrong.
    Broken,
    /// The caller fell silent.
    Silent,
}

/// Reads `body` whole, showing it to `scanner`. `keep` is how much of this caller's may be kept:
/// beyond it the body streams on.
pub async fn read(
    mut body: Incoming,
    scanner: &mut Scanner,
    mut reserved: Reservation,
    keep: usize,
) -> Result<Intake, IntakeError> {
    let known =
        body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if let Some(length) = known {
        if length > keep {
            return Ok(Intake::Overflow(Sending::through(body)));
        }
        reserved.reach(length).map_err(|_| IntakeError::Full)?;
    }
    let mut idle = Idle::new(SILENCE);
    let mut read = Read::default();
    while let Some(frame) = poll_fn(|cx| poll_rest(&mut body, &mut idle, cx)).await {
        let Ok(piece) = frame?.into_data() else { continue };
        if known.is_none() {
            reserved.reach_in_steps(read.length + piece.len()).map_err(|_| IntakeError::Full)?;
        }
        scanner.push(&piece);
        read.push(piece);
        if read.length > keep {
            return Ok(Intake::Overflow(Sending::behind(read.into_pieces().into(), body)));
        }
        // A length that is reached says so before the connection does.
        if body.is_end_stream() {
            break;
        }
    }
    Ok(Intake::Whole(Pieces::new(read.into_pieces()), reserved))
}

impl From<crate::sending::Unsendable> for IntakeError {
    fn from(error: crate::sending::Unsendable) -> IntakeError {
        match error {
            crate::sending::Unsendable::Broken(_) => IntakeError::Broken,
            crate::sending::Unsendable::Silent => IntakeError::Silent,
        }
    }
}

#[derive(Default)]
struct Read {
    pieces: Vec<Bytes>,
    small: Vec<u8>,
    length: usize,
}

impl Read {
    fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        if piece.len() >= SMALL || self.pieces.is_empty() {
            self.join();
            self.pieces.push(piece);
            return;
        }
        self.small.extend_from_slice(&piece);
        if self.small.len() >= JOINED {
            self.join();
        }
    }

    fn join(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(std::mem::take(&mut self.small).into());
        }
    }

    fn into_pieces(mut self) -> Vec<Bytes> {
        self.join();
        self.pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_single_bytes_stays_a_short_list() {
        let body: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
        let mut read = Read::default();
        body.iter().for_each(|byte| read.push(Bytes::copy_from_slice(&[*byte])));

        let pieces = read.into_pieces();

        assert!(pieces.len() <= 2 + body.len() / JOINED);
        assert_eq!(pieces.concat(), body);
    }
}
