/** The decoder as a whole: golden files, limits, an abort, and bytes that are no file. */
import assert from "node:assert/strict";
import test from "node:test";
import { distances } from "../src/fields.js";
import { decode, FormatError, inspect, paint, UnsupportedError } from "../src/index.js";
import { golden, manifest, names } from "./files.js";

const PICTURE = "pyramid-image.inrz";

for (const name of names) {
  test(`${name} decodes to the same symbols as in Python`, async () => {
    const decoded = await decode(golden(name));
    assert.equal(decoded.symbolsSha256, manifest[name].symbols_sha256);
    assert.equal(decoded.profile, manifest[name].profile);
  });
}

test("a picture has the stated size and plausible pixels", async () => {
  const { width, height, channels, depth, data, icc, meta } = await decode(golden(PICTURE).buffer);
  assert.deepEqual([height, width, channels], manifest[PICTURE].array_shape);
  assert.deepEqual([depth, data.length, icc, meta], [8, width * height * channels, null, null]);
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length / 255;
  assert.ok(Math.abs(mean - manifest[PICTURE].mean_magnitude) < 1e-4);
});

test("signals have the form of their kind", async () => {
  const sound = await decode(golden("grids-audio.inrz"));
  assert.deepEqual([sound.kind, sound.sampleRate, sound.length, sound.data.length], ["audio", 8000, 800, 1]);
  assert.ok(sound.data[0] instanceof Float32Array);
  const video = await decode(golden("grids-video.inrz"));
  assert.deepEqual([video.kind, video.frames, video.height, video.width, video.data.length], ["video", 6, 16, 20, 5760]);
  const array = await decode(golden("weights-array.inrz"));
  assert.deepEqual([array.kind, array.shape, array.channels, array.data.length], ["array", [6, 5], 1, 30]);
  for (const other of [sound, video, array]) assert.throws(() => paint(other), UnsupportedError);
});

test("distances of a shape grow with its units", async () => {
  for (const name of ["weights-shape.inrz", "grids-shape.inrz"]) {
    const shape = await decode(golden(name));
    const [inside] = distances(shape, shape.low.map((a) => a + shape.side / 2));
    const [larger] = distances({ ...shape, low: [0, 0, 0], side: 2 * shape.side }, new Array(3).fill(shape.side));
    assert.ok(Math.abs(larger - 2 * inside) <= 1e-6 * shape.side);
  }
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
