/** Signals from fields: the values of a lattice, or the field itself where a signal has none. */
import { FormatError } from "../errors.js";
import { newPicture, toPixel } from "../pixels.js";
import { blockOf, evaluate } from "./evaluate.js";
import { Evaluator } from "./evaluator.js";

/** Kinds whose values are distances in a cube. */
const DISTANCES = ["shape", "points", "unsigned", "slices"];

/** @typedef {import("../internal.js").Header} Header */
/** @typedef {import("../internal.js").Op} Op */
/** @typedef {import("../types.js").DecodedSignal} DecodedSignal */

/** @param {Header} header @param {Op[]} ops @param {import("../types.js").Evaluation} [way]
 * @returns {Generator<void, DecodedSignal & import("../types.js").Evaluated, void>} */
export function* signalOf(header, ops, way) {
  if (DISTANCES.includes(header.kind)) return shapeOf(header, ops);
  const field = new Evaluator(ops, header.samples / header.channels, way);
  try {
    return { ...(yield* sampledOf(header, field)), evaluation: field.way };
  } finally {
    field.end();
  }
}

/** @param {Header} header @param {Evaluator} field @returns {Generator<void, DecodedSignal, void>} */
function* sampledOf(header, field) {
  const { kind, shape, channels } = header;
  if (kind === "image") return yield* pictureOf(header, field);
  if (kind === "audio") return yield* soundOf(header, field);
  if (kind === "video") {
    const data = new Uint8ClampedArray(header.samples);
    yield* sample(header, field, shape, (at, value) => (data[at] = toPixel(value, 255)));
    const [frames, height, width] = shape;
    return { kind, frames, height, width, channels, rate: /** @type {number} */ (header.rate), data };
  }
  const data = new Float32Array(header.samples);
  yield* sample(header, field, shape, (at, value) => (data[at] = value));
  return { kind: "array", shape, channels, dtype: /** @type {string} */ (header.dtype), data };
}

/** @param {Header} header @param {Evaluator} field */
function* pictureOf(header, field) {
  const picture = newPicture(header);
  const { depth, data } = picture;
  const most = depth === 16 ? 65535 : 255;
  yield* sample(header, field, [header.shape[1], header.shape[0]], (at, value) => {
    data[at] = depth === 32 ? value : toPixel(value, most);
  });
  return { kind: /** @type {const} */ ("image"), ...picture };
}

/** @param {Header} header @param {Evaluator} field */
function* soundOf(header, field) {
  const { channels, shape } = header;
  const data = Array.from({ length: channels }, () => new Float32Array(shape[0]));
  yield* sample(header, field, shape, (at, value) => (data[at % channels][Math.floor(at / channels)] = value));
  return { kind: /** @type {const} */ ("audio"), sampleRate: /** @type {number} */ (header.rate), length: shape[0], channels, data };
}

/** Hand out the values of a lattice, in the order of its array.
 * @param {Header} header @param {Evaluator} field @param {number[]} sides Of the array: a picture's rows, columns.
 * @param {(at: number, value: number) => void} put
 * @returns {Generator<void, void, void>} */
function* sample(header, field, sides, put) {
  const { channels, offset, scale } = header;
  const d = sides.length;
  const isPicture = header.kind === "image";
  const total = header.samples / channels;
  const at = new Array(d).fill(0);
  for (let start = 0, n = 0; start < total; start += n) {
    n = Math.min(field.block, total - start);
    const points = new Float32Array(n * d);
    for (let i = 0; i < n; i++) {
      for (let axis = 0; axis < d; axis++) points[i * d + (isPicture ? d - 1 - axis : axis)] = (at[axis] + 0.5) / sides[axis];
      for (let axis = d - 1; axis >= 0 && ++at[axis] === sides[axis]; axis--) at[axis] = 0;
    }
    const z = field.at(points, n);
    for (let i = 0; i < z.length; i++) {
      const c = i % channels;
      const value = Math.fround(Math.fround(z[i] * Math.fround(scale[c])) + Math.fround(offset[c]));
      if (!Number.isFinite(value)) throw new FormatError("the file decodes to values that are not finite");
      put(start * channels + i, value);
    }
    yield;
  }
}

/** @param {Header} header @param {Op[]} ops
 * @returns {import("../types.js").DecodedShape} */
function shapeOf({ kind, low, scale, softening }, ops) {
  return { kind: /** @type {any} */ (kind), low, side: scale[0], softening: softening ?? 0, field: { ops } };
}

/** Distances at points in the units of a shape.
 * @type {typeof import("../field_types.js").distances} */
export const distances = ({ low, side, softening, field }, points) => {
  const ops = /** @type {Op[]} */ (field.ops);
  const n = points.length / 3;
  const out = new Float32Array(n);
  const block = blockOf(ops);
  for (let start = 0; start < n; start += block) {
    const count = Math.min(block, n - start);
    const x = Float32Array.from({ length: 3 * count }, (_, i) => (points[3 * start + i] - low[i % 3]) / side);
    evaluate(ops, x, count).forEach((z, i) => {
      if (softening) {
        const held = Math.max(z, 0);
        z = (held + Math.sqrt(held * (held + 4 * softening))) / 2;
      }
      out[start + i] = z * side;
    });
  }
  return out;
};
