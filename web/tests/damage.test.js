/** Harmful files: any bytes give the one error, in little time and memory. */
import assert from "node:assert/strict";
import test from "node:test";
import { decode, FormatError, UnsupportedError } from "../src/index.js";
import { corpus, golden, names } from "./files.js";
import { resealed } from "./sealing.js";

const MOST_SECONDS = 2;
/** Of memory at the worst moment, beyond what the tests themselves hold. */
const MOST_BYTES = 2 ** 28;
/** Of a file, about. */
const MOST_FLIPS = 400;

/** What becomes of bytes. Errors that are neither of the two, and those that show a fault of the decoder, are thrown.
 * @param {Uint8Array} bytes */
async function outcome(bytes) {
  try {
    await decode(bytes);
    return "decoded";
  } catch (error) {
    const { cause } = error;
    if (cause && !["FormatError", "UnsupportedError"].includes(cause.name)) throw cause;
    if (error instanceof FormatError) return "malformed";
    if (error instanceof UnsupportedError) return "not supported";
    throw error;
  }
}

test(`the ${corpus.length} files of the corpus are refused in time and without much memory`, async () => {
  const before = process.resourceUsage().maxRSS;
  for (const { name, bytes } of corpus) {
    const start = process.cpuUsage();
    // A changed number may be that of a variant which only Python knows.
    const expected = /-ARCH-/.test(name) ? ["malformed", "not supported"] : ["malformed"];
    assert.ok(expected.includes(await outcome(bytes)), name);
    assert.ok(process.cpuUsage(start).user < 1e6 * MOST_SECONDS, name);
  }
  assert.ok(1024 * (process.resourceUsage().maxRSS - before) < MOST_BYTES);
});

for (const name of names) {
  const bytes = golden(name);

  test(`${name}, cut at any byte or with any flipped bit, is refused`, async () => {
    for (let n = 0; n < bytes.length; n++) assert.equal(await outcome(bytes.slice(0, n)), "malformed");
    assert.equal(await outcome(new Uint8Array([...bytes, 0])), "malformed");
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const wrong = bytes.slice();
      wrong[bit >> 3] ^= 1 << (bit & 7);
      assert.equal(await outcome(wrong), "malformed");
    }
  });

  test(`${name} with flipped bits behind correct checksums is refused or decodes`, async () => {
    const step = 1 + 2 * Math.ceil((8 * bytes.length) / (2 * MOST_FLIPS));
    for (let bit = 160; bit < 8 * bytes.length; bit += step) {
      const wrong = bytes.slice();
      wrong[bit >> 3] ^= 1 << (bit & 7);
      assert.ok(["malformed", "decoded", "not supported"].includes(await outcome(resealed(wrong))));
    }
  });
}

test("random bytes behind a correct head are refused", async () => {
  let seed = 1;
  for (let i = 0; i < 500; i++) {
    const bytes = new Uint8Array(20 + (i % 180));
    for (let k = 20; k < bytes.length; k++) bytes[k] = seed = (seed * 48271) % 2147483647;
    bytes.set([0x89, 0x49, 0x4e, 0x52, 0x0d, 0x0a, 0x1a, 0x0a, 1, 0, 4]);
    assert.notEqual(await outcome(resealed(bytes)), "decoded");
  }
});
