// Prints a new master key, for whoever has Node and no Rust: `node master-key.mjs`.
//
// The text form is the vault's (crates/vault/src/master.rs): 32 random bytes and a checksum, by
// which a mistyped key is told from a wrong one. The checksum is BLAKE3's, which Node does not have;
// of that function only what two short inputs need is written here.

import { randomBytes } from "node:crypto";

const PREFIX = "plmk1_";
const CONTEXT = "potluck 2026 master key checksum v1";

const IV = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
// The first and last chunk, which is the root as well.
const WHOLE = 1 | 2 | 8;
const CONTEXT_FLAG = 32;
const MATERIAL_FLAG = 64;

const rotated = (word, by) => ((word >>> by) | (word << (32 - by))) >>> 0;

function mix(state, a, b, c, d, x, y) {
  state[a] = (state[a] + state[b] + x) >>> 0;
  state[d] = rotated(state[d] ^ state[a], 16);
  state[c] = (state[c] + state[d]) >>> 0;
  state[b] = rotated(state[b] ^ state[c], 12);
  state[a] = (state[a] + state[b] + y) >>> 0;
  state[d] = rotated(state[d] ^ state[a], 8);
  state[c] = (state[c] + state[d]) >>> 0;
  state[b] = rotated(state[b] ^ state[c], 7);
}

const COLUMNS = [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]];
const DIAGONALS = [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]];

/** BLAKE3's hash of up to 64 bytes: its first eight words. */
function compressed(key, bytes, flags) {
  const padded = new Uint8Array(64);
  padded.set(bytes);
  let words = Array.from(new Uint32Array(padded.buffer));
  const state = [...key, ...IV.slice(0, 4), 0, 0, bytes.length, flags];
  for (let round = 0; round < 7; round += 1) {
    [...COLUMNS, ...DIAGONALS].forEach((places, n) =>
      mix(state, ...places, words[2 * n], words[2 * n + 1]));
    words = PERMUTATION.map((place) => words[place]);
  }
  return key.map((_, n) => (state[n] ^ state[n + 8]) >>> 0);
}

function checksum(secret) {
  const context = compressed(IV, new TextEncoder().encode(CONTEXT), WHOLE | CONTEXT_FLAG);
  const derived = compressed(context, secret, WHOLE | MATERIAL_FLAG);
  return new Uint8Array(Uint32Array.from(derived).buffer).subarray(0, 4);
}

const secret = randomBytes(32);
console.log(PREFIX + Buffer.concat([secret, checksum(secret)]).toString("base64url"));
