/** CRC-32C (Castagnoli) and SHA-256. The browser's own SHA-256 is missing on pages from file: and http:. */
import { FormatError } from "./errors.js";

const CRC = new Uint32Array(256);
for (let i = 0; i < 256; i++) {
  let c = i;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  CRC[i] = c;
}

/** The checksum of several parts, one after the other.
 * @param {...Uint8Array} parts */
export function crc32c(...parts) {
  let c = 0xffffffff;
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) c = CRC[(c ^ part[i]) & 255] ^ (c >>> 8);
  }
  return (c ^ 0xffffffff) >>> 0;
}

/** The first 32 bits of the fractional part of a root of the first n primes.
 * @param {number} n @param {bigint} power 2 or 3 */
function rootsOfPrimes(n, power) {
  const found = [];
  for (let prime = 2; found.length < n; prime++) {
    let isPrime = true;
    for (let d = 2; d * d <= prime; d++) isPrime = isPrime && prime % d > 0;
    if (!isPrime) continue;
    const scaled = BigInt(prime) << (32n * power);
    let root = BigInt(Math.floor(prime ** (1 / Number(power)) * 2 ** 32));
    while (root ** power > scaled) root--;
    while ((root + 1n) ** power <= scaled) root++;
    found.push(Number(root & 0xffffffffn));
  }
  return found;
}

const START = rootsOfPrimes(8, 2n);
const ROUNDS = new Int32Array(rootsOfPrimes(64, 3n));

export class Sha256 {
  constructor() {
    this.state = new Int32Array(START);
    this.block = new Uint8Array(64);
    this.words = new Int32Array(64);
    this.length = 0;
  }

  /** @param {Uint8Array} bytes */
  update(bytes) {
    let used = this.length % 64;
    this.length += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const n = Math.min(64 - used, bytes.length - at);
      this.block.set(bytes.subarray(at, at + n), used);
      at += n;
      used += n;
      if (used === 64) {
        this.mix();
        used = 0;
      }
    }
    return this;
  }

  /** The 32 bytes of the digest, after which nothing may be added. */
  digest() {
    const bits = this.length * 8;
    const used = this.length % 64;
    const tail = new Uint8Array((used < 56 ? 64 : 128) - used);
    tail[0] = 128;
    const view = new DataView(tail.buffer);
    view.setUint32(tail.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(tail.length - 4, bits % 2 ** 32);
    this.update(tail);
    const out = new DataView(new ArrayBuffer(32));
    this.state.forEach((word, i) => out.setInt32(4 * i, word));
    return new Uint8Array(out.buffer);
  }

  mix() {
    const { state, words, block } = this;
    for (let i = 0; i < 16; i++) {
      words[i] = (block[4 * i] << 24) | (block[4 * i + 1] << 16) | (block[4 * i + 2] << 8) | block[4 * i + 3];
    }
    for (let i = 16; i < 64; i++) {
      const a = words[i - 15];
      const b = words[i - 2];
      const s = ((a >>> 7) | (a << 25)) ^ ((a >>> 18) | (a << 14)) ^ (a >>> 3);
      const t = ((b >>> 17) | (b << 15)) ^ ((b >>> 19) | (b << 13)) ^ (b >>> 10);
      words[i] = (words[i - 16] + s + words[i - 7] + t) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const s = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const first = (h + s + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
      const t = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const second = (t + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + first) | 0;
      d = c;
      c = b;
      b = a;
      a = (first + second) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] = (state[i] + word) | 0));
  }
}

/** Bytes as hexadecimal digits.
 * @param {Uint8Array} bytes */
export function hex(bytes) {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** FormatError unless a file states this digest of its symbols, or its first 16 bytes.
 * @param {Uint8Array} digest @param {Uint8Array} stated */
export function checkDigest(digest, stated) {
  if (stated.some((byte, i) => byte !== digest[i])) {
    throw new FormatError("the decoded symbols differ from the encoded ones");
  }
}

/** Symbols as int32, little-endian.
 * @param {Int32Array | Int16Array} symbols */
export function littleEndian(symbols) {
  const view = new DataView(new ArrayBuffer(4 * symbols.length));
  for (let i = 0; i < symbols.length; i++) view.setInt32(4 * i, symbols[i], true);
  return new Uint8Array(view.buffer);
}
