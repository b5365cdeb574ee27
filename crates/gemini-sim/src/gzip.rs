//! Gzip without compressing: stored blocks are valid gzip, and all that a test of decoders needs.

use bytes::Bytes;
use http::{HeaderValue, header};

use crate::answer::{Answer, Content};

/// The largest stored block.
const BLOCK: usize = 65_535;

/// The same answer in gzip. Streams are flushed event by event, as Google's are.
#[must_use]
pub fn answer(mut answer: Answer) -> Answer {
    answer.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer.content = match answer.content {
        Content::Whole(body) if body.is_empty() => {
            answer.headers.remove(header::CONTENT_ENCODING);
            Content::Whole(body)
        }
        Content::Whole(body) => {
            let pieces = pack(std::slice::from_ref(&body));
            Content::Whole(pieces.concat().into())
        }
        Content::Pieces(pieces) => Content::Pieces(pack(&pieces)),
    };
    answer
}

fn pack(pieces: &[Bytes]) -> Vec<Bytes> {
    const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let (mut crc, mut size) = (u32::MAX, 0_u32);
    let mut packed = Vec::with_capacity(pieces.len() + 1);
    for (number, piece) in pieces.iter().enumerate() {
        let mut bytes = if number == 0 { HEAD.to_vec() } else { Vec::new() };
        for block in piece.chunks(BLOCK) {
            stored(&mut bytes, block, false);
        }
        crc = update(crc, piece);
        size = size.wrapping_add(piece.len() as u32);
        packed.push(bytes.into());
    }
    let mut end = Vec::new();
    stored(&mut end, &[], true);
    end.extend_from_slice(&(!crc).to_le_bytes());
    end.extend_from_slice(&size.to_le_bytes());
    packed.push(end.into());
    packed
}

fn stored(out: &mut Vec<u8>, block: &[u8], last: bool) {
    let length = block.len() as u16;
    out.push(u8::from(last));
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(block);
}

fn update(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_gzip() {
        assert_eq!(!update(u32::MAX, b"123456789"), 0xcbf4_3926);
    }
}
