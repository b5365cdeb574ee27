//! What the proxy itself gives out: access tokens and invites.
//!
//! Rule: shown once, when they are made; afterwards known by their keyed hashes alone.

use potluck_gemini::credential::{INVITE_PREFIX, TOKEN_PREFIX};
use zeroize::Zeroizing;

use crate::NoRandomness;

/// Draws a new access token.
pub fn draw_token() -> Result<Zeroizing<String>, NoRandomness> {
    draw(TOKEN_PREFIX)
}

/// Draws a new invite code.
pub fn draw_invite() -> Result<Zeroizing<String>, NoRandomness> {
    draw(INVITE_PREFIX)
}

fn draw(prefix: &str) -> Result<Zeroizing<String>, NoRandomness> {
    let mut bytes = Zeroizing::new([0; RANDOM_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| NoRandomness)?;
    let digits = Zeroizing::new(hex::encode(bytes.as_slice()));
    Ok(Zeroizing::new(format!("{prefix}{}", &*digits)))
}

/// 160 bits: nobody finds one by trying.
const RANDOM_BYTES: usize = 20;
