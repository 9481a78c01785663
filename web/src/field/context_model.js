/** Latents on a lattice: each is predicted from its neighbours (FORMAT.md, profile 2), in numbers exact below 2^53. */
import { FormatError } from "../errors.js";
import { RangeDecoder } from "../range_decoder.js";
import { FAR_THRESHOLDS, NEAR_THRESHOLDS, NEIGHBOURHOODS, PRIOR } from "./tables.js";

const LARGEST_MEAN = 32768;
/** Symbols after which a page may have a turn. */
const PART = 4096;

/** Tensors of means and scales that stand before the latents of a lattice.
 * @param {string} kind */
export function sizesOf(kind) {
  return [NEIGHBOURHOODS[kind].mean.length, PRIOR.length];
}

/** The symbols of planes, in the order of the stream.
 * @param {string} kind Of the neighbourhood. @param {number[]} shape Planes, then axes.
 * @param {Int32Array} means @param {Int32Array} scales @param {Uint8Array} data
 * @returns {Generator<void, Int32Array, void>} */
export function* readPlanes(kind, shape, means, scales, data) {
  const own = NEIGHBOURHOODS[kind];
  const table = Array.from(scales, (scale, k) => scale + PRIOR[k]);
  if (table.some((s) => s < 0 || s > 255) || means.some((a) => Math.abs(a) > LARGEST_MEAN)) {
    throw new FormatError("a context model is out of range");
  }
  const padded = shape.map((n, axis) => (axis ? n + 2 * own.reach : n));
  const strides = padded.map((_, axis) => padded.slice(axis + 1).reduce((a, b) => a * b, 1));
  /** @param {number[][]} offsets */
  const distances = (offsets) => Int32Array.from(offsets, (o) => o.reduce((sum, step, i) => sum + step * strides[i + 1], 0));
  const [near, far, before] = [own.near, own.far, own.mean].map(distances);
  const q = new Int32Array(strides[0] * shape[0]);
  const found = new Int32Array(shape.reduce((a, b) => a * b, 1));
  const stream = new RangeDecoder(data);
  const hasMeans = means.some((a) => a !== 0);
  const row = shape[shape.length - 1];
  const at = new Array(shape.length - 1).fill(0);
  for (let i = 0, since = 0; i < found.length; ) {
    let place = at.reduce((sum, k, axis) => sum + (k + (axis ? own.reach : 0)) * strides[axis], own.reach);
    for (let x = 0; x < row; x++, place++, i++) {
      let mu = 0;
      if (hasMeans) {
        for (let k = 0; k < before.length; k++) mu += means[k] * q[place + before[k]];
        mu = Math.min(Math.max(mu, -LARGEST_MEAN), LARGEST_MEAN - 1);
      }
      const n = bucket(q, place, mu, near, NEAR_THRESHOLDS);
      const m = bucket(q, place, mu, far, FAR_THRESHOLDS);
      found[i] = q[place] = stream.symbol(mu, table[n * (FAR_THRESHOLDS.length + 1) + m]);
    }
    for (let axis = at.length - 1; axis >= 0 && ++at[axis] === shape[axis]; axis--) at[axis] = 0;
    since += row;
    if (since > PART) {
      since = 0;
      yield;
    }
  }
  stream.end();
  return found;
}

/** The number of thresholds that are at most the sum of distances to neighbours.
 * @param {Int32Array} q @param {number} place @param {number} mu @param {Int32Array} offsets @param {number[]} thresholds */
function bucket(q, place, mu, offsets, thresholds) {
  let total = 0;
  for (let i = 0; i < offsets.length; i++) total += Math.abs(256 * q[place + offsets[i]] - mu);
  total = Math.floor(total / 256);
  let n = 0;
  while (n < thresholds.length && total >= thresholds[n]) n++;
  return n;
}

