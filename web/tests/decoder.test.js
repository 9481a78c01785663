/** The decoder as a whole: golden files, limits, an abort, and bytes that are no file. */
import assert from "node:assert/strict";
import test from "node:test";
import { decode, FormatError, inspect, UnsupportedError } from "../src/index.js";
import { golden, manifest, names, others } from "./files.js";

const PICTURE = "pyramid-image.inrz";

for (const name of names) {
  test(`${name} decodes to the same symbols as in Python`, async () => {
    const decoded = await decode(golden(name));
    assert.equal(decoded.symbolsSha256, manifest[name].symbols_sha256);
    assert.equal(decoded.profile, manifest[name].profile);
  });
}

test("a profile that this decoder does not know is refused by its name", async () => {
  for (const name of others) {
    const { profile } = manifest[name];
    await assert.rejects(decode(golden(name)), (error) => error instanceof UnsupportedError && error.message.includes(profile));
    assert.equal(inspect(golden(name)).profile, profile);
  }
});

test("a picture has the stated size and plausible pixels", async () => {
  const { width, height, channels, depth, data, icc, meta } = await decode(golden(PICTURE).buffer);
  assert.deepEqual([height, width, channels], manifest[PICTURE].array_shape);
  assert.deepEqual([depth, data.length, icc, meta], [8, width * height * channels, null, null]);
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length / 255;
  assert.ok(Math.abs(mean - manifest[PICTURE].mean_magnitude) < 1e-4);
});

test("inspect reads the header and decodes nothing", () => {
  const found = inspect(golden(PICTURE));
  assert.deepEqual([found.kind, found.shape, found.profile], ["image", [41, 33], "pyramid"]);
});

test("a limit can be lowered", async () => {
  for (const limits of [{ samples: 4058 }, { work: 1000 }, { file_bytes: 300 }, { parameters: 9 }, { symbols: 99 }]) {
    await assert.rejects(decode(golden(PICTURE), { limits }), FormatError);
  }
  await decode(golden(PICTURE), { limits: { samples: 4059 } });
  await assert.rejects(decode(golden(PICTURE), { limits: { sample: 1 } }), TypeError);
});

test("an abort stops the decoding, at the start and between two rows", async (t) => {
  const reason = new Error("enough");
  await assert.rejects(decode(golden(PICTURE), { signal: AbortSignal.abort(reason) }), reason);
  let clock = 0;
  t.mock.method(performance, "now", () => (clock += 20));
  const controller = new AbortController();
  const decoding = decode(golden(PICTURE), { signal: controller.signal });
  setImmediate(() => controller.abort(reason));
  await assert.rejects(decoding, reason);
});

test("what is not bytes is refused at once", async () => {
  await assert.rejects(decode("photo.inrz"), TypeError);
});
