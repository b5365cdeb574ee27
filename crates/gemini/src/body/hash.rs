//! A small keyed hash (SipHash-1-3 with a doubled seed) for telling conversations apart.
//!
//! It names nothing outside this process and guards nothing: whoever finds a collision brings his
//! conversation onto another one's key, where a first turn may land anyway.

/// The state of a hash over bytes in chunks.
#[derive(Clone, Debug)]
pub(super) struct Hash {
    v: [u64; 4],
    word: u64,
    len: u64,
}

impl Hash {
    pub(super) fn new(seed: u64) -> Self {
        let other = seed.rotate_left(32);
        Hash {
            v: [
                seed ^ 0x736f_6d65_7073_6575,
                other ^ 0x646f_7261_6e64_6f6d,
                seed ^ 0x6c79_6765_6e65_7261,
                other ^ 0x7465_6462_7974_6573,
            ],
            word: 0,
            len: 0,
        }
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        while !self.len.is_multiple_of(8) {
            let Some((&byte, rest)) = bytes.split_first() else { return };
            self.byte(byte);
            bytes = rest;
        }
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        self.len += 8 * words.len() as u64;
        rest.iter().for_each(|&byte| self.byte(byte));
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn finish(&self) -> u64 {
        let mut end = self.clone();
        end.mix(self.word | self.len << 56);
        end.v[2] ^= 0xff;
        (0..3).for_each(|_| end.round());
        end.v[0] ^ end.v[1] ^ end.v[2] ^ end.v[3]
    }

    fn byte(&mut self, byte: u8) {
        self.word |= u64::from(byte) << (8 * (self.len % 8));
        self.len += 1;
        if self.len.is_multiple_of(8) {
            self.mix(self.word);
            self.word = 0;
        }
    }

    fn mix(&mut self, word: u64) {
        self.v[3] ^= word;
        self.round();
        self.v[0] ^= word;
    }

    fn round(&mut self) {
        let v = &mut self.v;
        v[0] = v[0].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[2] = v[2].rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_bytes_are_cut_changes_nothing() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut whole = Hash::new(7);
        whole.write(&bytes);
        for cut in 0..bytes.len() {
            let mut parts = Hash::new(7);
            parts.write(&bytes[..cut]);
            parts.write(&bytes[cut..]);
            assert_eq!(parts.finish(), whole.finish(), "{cut}");
        }
    }

    #[test]
    fn seed_and_bytes_both_count() {
        let of = |seed, bytes: &[u8]| {
            let mut hash = Hash::new(seed);
            hash.write(bytes);
            hash.finish()
        };
        assert_ne!(of(1, b"hello"), of(2, b"hello"));
        assert_ne!(of(1, b"hello"), of(1, b"hellp"));
        assert_ne!(of(1, b""), of(1, b"\0"));
    }
}
