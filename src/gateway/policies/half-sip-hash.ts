/**
 * HalfSipHash-2-4 with 64 bits of output (Aumasson and Bernstein's reference, public domain, as an algorithm): a keyed
 * hash of short strings in 32-bit arithmetic, so that whoever does not know the key cannot choose strings that collide.
 * It is fed the UTF-16 units of the string, two bytes each, lower byte first. Called by the shared table.
 */

const ROUNDS = 2;
const FINAL_ROUNDS = 4;

/** The state, reused: the hash is called on a hot path and keeps nothing between calls. */
const v = new Int32Array(4);

function rounds(count: number): void {
  let v0 = v[0] as number;
  let v1 = v[1] as number;
  let v2 = v[2] as number;
  let v3 = v[3] as number;
  for (let i = 0; i < count; i++) {
    v0 = (v0 + v1) | 0;
    v1 = (v1 << 5) | (v1 >>> 27);
    v1 ^= v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = (v3 << 8) | (v3 >>> 24);
    v3 ^= v2;
    v0 = (v0 + v3) | 0;
    v3 = (v3 << 7) | (v3 >>> 25);
    v3 ^= v0;
    v2 = (v2 + v1) | 0;
    v1 = (v1 << 13) | (v1 >>> 19);
    v1 ^= v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  v[0] = v0;
  v[1] = v1;
  v[2] = v2;
  v[3] = v3;
}

function absorb(word: number): void {
  v[3] = (v[3] as number) ^ word;
  rounds(ROUNDS);
  v[0] = (v[0] as number) ^ word;
}

/** Puts the two words of the hash of `text` under the key (k0, k1) into `out`. */
export function halfSipHash(text: string, k0: number, k1: number, out: Uint32Array): void {
  v[0] = k0;
  v[1] = k1 ^ 0xee;
  v[2] = 0x6c796765 ^ k0;
  v[3] = 0x74656462 ^ k1;
  const pairs = text.length >>> 1;
  for (let i = 0; i < pairs; i++) absorb(text.charCodeAt(2 * i) | (text.charCodeAt(2 * i + 1) << 16));
  const rest = text.length & 1 ? text.charCodeAt(text.length - 1) : 0;
  absorb((((text.length * 2) & 0xff) << 24) | rest);
  v[2] = (v[2] as number) ^ 0xee;
  rounds(FINAL_ROUNDS);
  out[0] = (v[1] as number) ^ (v[3] as number);
  v[1] = (v[1] as number) ^ 0xdd;
  rounds(FINAL_ROUNDS);
  out[1] = (v[1] as number) ^ (v[3] as number);
}
