/** Harmful files: any bytes give the one error, in little time and memory. */
import assert from "node:assert/strict";
import test from "node:test";
import { decodeSteps } from "../src/decode.js";
import { FormatError, UnsupportedError } from "../src/errors.js";
import { Limits } from "../src/limits.js";
import { corpus, golden, names } from "./files.js";
import { resealed } from "./sealing.js";

const MOST_SECONDS = 2;
const MOST_BYTES = 2 ** 28;

/** What becomes of bytes; errors that are neither of the two are thrown.
 * @param {Uint8Array} bytes */
function outcome(bytes) {
  try {
    for (const _ of decodeSteps(bytes, new Limits()));
    return "decoded";
  } catch (error) {
    if (error instanceof FormatError) return "malformed";
    if (error instanceof UnsupportedError) return "of an unknown profile";
    throw error;
  }
}

/** @param {string} name */
function isOfKnownProfile(name) {
  return names.some((own) => name.startsWith(own.replace(".inrz", "-")));
}

test(`the ${corpus.length} files of the corpus are refused in time and without much memory`, () => {
  const before = process.memoryUsage().rss;
  for (const { name, bytes } of corpus) {
    const start = performance.now();
    const found = outcome(bytes);
    assert.ok(found === "malformed" || (found === "of an unknown profile" && !isOfKnownProfile(name)), name);
    assert.ok(performance.now() - start < 1000 * MOST_SECONDS, name);
  }
  assert.ok(process.memoryUsage().rss - before < MOST_BYTES);
});

for (const name of names) {
  const bytes = golden(name);

  test(`${name}, cut at any byte or with any flipped bit, is refused`, () => {
    for (let n = 0; n < bytes.length; n++) assert.equal(outcome(bytes.slice(0, n)), "malformed");
    assert.equal(outcome(new Uint8Array([...bytes, 0])), "malformed");
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const wrong = bytes.slice();
      wrong[bit >> 3] ^= 1 << (bit & 7);
      assert.equal(outcome(wrong), "malformed");
    }
  });

  test(`${name} with flipped bits behind correct checksums is refused or decodes`, () => {
    for (let bit = 160; bit < 8 * bytes.length; bit += 3) {
      const wrong = bytes.slice();
      wrong[bit >> 3] ^= 1 << (bit & 7);
      assert.ok(["malformed", "decoded", "of an unknown profile"].includes(outcome(resealed(wrong))));
    }
  });
}

test("random bytes behind a correct head are refused", () => {
  let seed = 1;
  for (let i = 0; i < 500; i++) {
    const bytes = new Uint8Array(20 + (i % 180));
    for (let k = 20; k < bytes.length; k++) bytes[k] = seed = (seed * 48271) % 2147483647;
    bytes.set([0x89, 0x49, 0x4e, 0x52, 0x0d, 0x0a, 0x1a, 0x0a, 1, 0, 4]);
    assert.notEqual(outcome(resealed(bytes)), "decoded");
  }
});
