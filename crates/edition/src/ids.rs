//! Names for requests, to find one again in a log.
//!
//! Rule: unique for as long as logs are kept, and telling nothing about the caller.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::HeaderValue;

/// Gives each request a name: a random start, then counting.
#[derive(Debug)]
pub struct RequestIds {
    prefix: u32,
    next: AtomicU64,
}

impl RequestIds {
    /// Names that begin with this run's `prefix`.
    pub fn new(prefix: u32) -> RequestIds {
        RequestIds { prefix, next: AtomicU64::new(1) }
    }

    /// The next name, as a header's value: sixteen hexadecimal digits.
    pub fn next(&self) -> HeaderValue {
        let count = self.next.fetch_add(1, Relaxed);
        let mut name = [0; 16];
        let bits = (u64::from(self.prefix) << 32) | (count & 0xffff_ffff);
        for (at, digit) in name.iter_mut().enumerate() {
            *digit = HEX[(bits >> (60 - 4 * at) & 0xf) as usize];
        }
        // Hexadecimal digits are what a header may hold.
        HeaderValue::from_bytes(&name).unwrap_or(HeaderValue::from_static("0"))
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hexadecimal_and_count_on() {
        let ids = RequestIds::new(0xc0ff_ee00);
        assert_eq!(ids.next(), "c0ffee0000000001");
        assert_eq!(ids.next(), "c0ffee0000000002");
    }
}
