/** The parts of the decoder: checksums, tables, numbers and the order of neighbours. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import test from "node:test";
import { crc32c, hex, Sha256 } from "../src/checksums.js";
import { FormatError } from "../src/errors.js";
import { evaluate } from "../src/field/evaluate.js";
import { vectors } from "../src/field/vectors.js";
import { roundHalfToEven } from "../src/pixels.js";
import { boundedCumulative, cumulative, EXPONENTIALS, INVERSES, RangeDecoder } from "../src/range_decoder.js";
import { Reader } from "../src/reader.js";
import { wav } from "../src/wav.js";

test("CRC-32C is Castagnoli's", () => {
  const digits = new TextEncoder().encode("123456789");
  assert.equal(crc32c(digits), 0xe3069283);
  assert.equal(crc32c(digits.subarray(0, 4), digits.subarray(4)), 0xe3069283);
});

test("SHA-256 is that of Node, for all lengths near the block size and in pieces", () => {
  for (let n = 0; n < 200; n++) {
    const bytes = new Uint8Array(randomBytes(n));
    const hash = new Sha256();
    hash.update(bytes.subarray(0, n >> 2)).update(bytes.subarray(n >> 2));
    assert.equal(hex(hash.digest()), createHash("sha256").update(bytes).digest("hex"));
  }
});

test("the tables of the Laplace distribution have the digest of FORMAT.md", () => {
  const words = new BigInt64Array([...EXPONENTIALS, ...INVERSES].map(BigInt));
  const digest = createHash("sha256").update(new Uint8Array(words.buffer)).digest("hex");
  assert.equal(digest, "8d1e448224e7b57712a17508bb1f650081ca369dc6312360aed45ec072903c11");
});

test("shares are those of 64-bit integers at the ends of their ranges", () => {
  const exponentials = Array.from(EXPONENTIALS, BigInt);
  const inverses = Array.from(INVERSES, BigInt);
  for (const mu of [-32768, -32767, -129, -128, 0, 127, 128, 32767, 32768]) {
    for (let s = 0; s < 256; s++) {
      for (const q of [-63, -62, -1, 0, 1, 2, 63, 64]) {
        const d = 256 * q - 128 - mu;
        const at = BigInt(Math.abs(d)) * inverses[s];
        const i = Number(at >> 20n);
        const f = at & 0xfffffn;
        const t = i < 1536 ? exponentials[i] - (((exponentials[i] - exponentials[i + 1]) * f) >> 20n) : 0n;
        const h = (65407n * t) >> 31n;
        assert.equal(BigInt(cumulative(mu, s, q)), (d < 0 ? h : 65407n - h) + BigInt(q + 64));
      }
    }
  }
});

test("shares of bounded symbols are those of 64-bit integers, and leave none without a share", () => {
  const exponentials = Array.from(EXPONENTIALS, BigInt);
  const inverses = Array.from(INVERSES, BigInt);
  for (const most of [1, 31, 32, 300, 16384]) {
    const least = most < 32 ? 256n : 16n;
    const free = (1n << 24n) - least * BigInt(2 * most + 1);
    for (const mu of [-32768, -129, 0, 128, 32768]) {
      for (let s = 0; s < 256; s++) {
        for (const q of [1 - most, 2 - most, -1, 0, 1, most - 1, most].filter((q) => q > -most && q <= most)) {
          const d = 256 * q - 128 - mu;
          const at = BigInt(Math.abs(d)) * inverses[s];
          const i = Number(at >> 20n);
          const f = at & 0xfffffn;
          const t = i < 1536 ? exponentials[i] - (((exponentials[i] - exponentials[i + 1]) * f) >> 20n) : 0n;
          const h = (free * (t >> 2n)) >> 29n;
          assert.equal(BigInt(boundedCumulative(mu, s, q, most)), (d < 0 ? h : free - h) + least * BigInt(q + most));
          assert.ok(boundedCumulative(mu, s, q + 1, most) - boundedCumulative(mu, s, q, most) >= least);
        }
      }
    }
  }
});

test("numbers are held to their forms and ranges", () => {
  /** @param {number[]} bytes */
  const reader = (bytes) => new Reader(new Uint8Array(bytes), "x");
  assert.equal(reader([0xff, 0xff, 0xff, 0xff, 0x0f]).varint(), 2 ** 32 - 1);
  assert.deepEqual([0, 1, 2, 3].map((n) => reader([n]).signed()), [0, -1, 1, -2]);
  for (const wrong of [[0x80, 0], [0xff, 0xff, 0xff, 0xff, 0x1f], [0xff, 0xff, 0xff, 0xff, 0xff, 1], [0x80], []]) {
    assert.throws(() => reader(wrong).varint(), FormatError);
  }
  assert.throws(() => reader([0, 0, 0xc0, 0x7f]).f32(-9, 9), FormatError);
  assert.throws(() => reader([7]).u8(1, 5), FormatError);
  assert.throws(() => reader([7]).end(), FormatError);
});

test("halves are rounded to even", () => {
  assert.deepEqual([-1.5, -0.5, 0.5, 1.5, 2.5, 2.4, 2.6].map(roundHalfToEven), [-2, 0, 0, 2, 2, 2, 3].map((x) => x + 0));
});

test("a stream that is longer or shorter than its events is damaged", () => {
  const stream = new RangeDecoder(new Uint8Array(20));
  assert.throws(() => stream.end(), FormatError);
  assert.throws(() => {
    for (let i = 0; i < 300; i++) stream.bits(16);
  }, FormatError);
});

test("a WAV file has its samples behind a head of 44 bytes", () => {
  const sound = { kind: "audio", sampleRate: 8000, length: 2, channels: 2, data: [[1, 2], [3, 4]].map((v) => new Float32Array(v)) };
  const file = wav(sound);
  const head = new DataView(file);
  assert.deepEqual([4, 24, 28, 40].map((at) => head.getUint32(at, true)), [52, 8000, 64000, 16]);
  assert.deepEqual([...new Float32Array(file, 44)], [1, 3, 2, 4]);
});

test("dense layers are their sums in float64, for odd numbers of points and rows, with and without vectors", () => {
  for (const [n, k, width] of [[1, 1, 1], [3, 5, 6], [4, 7, 8], [5, 48, 3], [9, 2, 5]]) {
    const [x, weight, bias] = [random(n * k), random(width * k), random(width)];
    const ops = [{ op: "input", width: k, inputs: [] }, { op: "dense", width, inputs: [0], weight, bias }];
    for (const own of [null, vectors()]) {
      const found = evaluate(ops, x, n, own);
      assert.equal(found.length, n * width);
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < width; j++) {
          let sum = 0;
          for (let m = 0; m < k; m++) sum += x[i * k + m] * weight[j * k + m];
          assert.equal(found[i * width + j], Math.fround(sum + bias[j]));
        }
      }
    }
  }
});

test("sines are those of Math.sin in float32, and what is not finite stays so, with and without vectors", () => {
  const x = Float32Array.from({ length: 20001 }, (_, i) => (i - 10000) * (i % 3 ? 0.01 : 7.7));
  const odd = x.slice();
  odd.set([0, -0, 1e6, -3e9, Infinity, NaN, Math.PI / 2, -Math.PI]);
  const ops = [{ op: "input", width: 1, inputs: [] }, { op: "map", function: "sin", width: 1, inputs: [0] }];
  for (const own of [null, vectors()]) {
    for (const given of [x, odd]) {
      evaluate(ops, given, given.length, own).forEach((value, i) => {
        const wanted = Math.sin(given[i]);
        assert.ok(Number.isNaN(wanted) ? Number.isNaN(value) : Math.abs(value - wanted) < 6e-8, `${given[i]}: ${value}`);
      });
    }
  }
});

test("vectors give the numbers of the loops in JavaScript, bit for bit, for one network after the other", () => {
  const own = vectors();
  assert.ok(own);
  for (const [n, d, width] of [[293, 2, 48], [7, 3, 5], [1, 1, 64], [294, 2, 48]]) {
    /** @type {import("../src/internal.js").Op[]} */
    const ops = [{ op: "input", width: d, inputs: [] }];
    for (let layer = 0; layer < 3; layer++) {
      const k = layer ? width : d;
      ops.push({ op: "dense", width, inputs: [ops.length - 1], weight: random(width * k), bias: random(width) });
      ops.push({ op: "affine", width, inputs: [ops.length - 1], scale: random(width).map((v) => 60 * v), shift: random(width) });
      for (const name of ["abs", layer ? "sin" : "relu"]) ops.push({ op: "map", function: name, width, inputs: [ops.length - 1] });
      ops.push({ op: "join", function: layer ? "add" : "multiply", width, inputs: [ops.length - 1, ops.length - 2] });
    }
    const grid = { table: random(64 * 2), scale: random(d).map((v) => 7 + v), start: 0.5, stride: [1, 8, 64], factor: [1, 5, 7] };
    ops.push({ op: "grid", width: 2, inputs: [0], entries: [64], offset: [0], isHashed: [true], isSmooth: true, ...grid });
    ops.push({ op: "concat", width: width + 2, inputs: [ops.length - 2, ops.length - 1] });
    ops.push({ op: "dense", width: 3, inputs: [ops.length - 1], weight: random(3 * (width + 2)), bias: random(3) });
    for (const count of [n, Math.ceil(n / 2)]) {
      const x = random(n * d);
      const [found, wanted] = [evaluate(ops, x, count, own), evaluate(ops, x.slice(0, count * d), count, null)];
      assert.equal(found.length, 3 * count);
      assert.ok(wanted.some((value) => value !== 0));
      assert.deepEqual(found, wanted);
    }
  }
});

/** @param {number} length */
function random(length) {
  return Float32Array.from({ length }, () => Math.random() - 0.5);
}
