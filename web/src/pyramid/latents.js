/** The grids of a pyramid, decoded from the coarsest to the finest, each number after those above and left of it. */
import { RangeDecoder } from "../range_decoder.js";
import { Reader } from "../reader.js";
import { clipped, ContextModel } from "./context_model.js";

const LARGEST_LATENT = 2 ** 14;
const LARGEST = 2 ** 30;
const ONE = 2 ** 12;
/** Zeros around a grid: the largest offset of a neighbour. */
const REACH = 4;

/** Decodes the grids, finest first in the result; yields after every row, so that the caller can pause or stop.
 * @param {import("./architecture.js").Architecture} architecture @param {import("../internal.js").Networks} networks
 * @param {Uint8Array} data
 * @returns {Generator<void, Int16Array[], void>} */
export function* readLatents(architecture, networks, data) {
  const reader = new Reader(data, "the latents");
  /** The largest magnitude of each grid; none in the first form. */
  const bounds = architecture.grids.map(() => (architecture.isFirstForm ? null : reader.varint(0, LARGEST_LATENT)));
  const stream = new RangeDecoder(reader.rest());
  const model = new ContextModel(architecture, networks);
  /** @type {Int16Array[]} */
  const grids = architecture.grids.map(() => new Int16Array(0));
  for (let level = architecture.nGrids - 1; level >= 0; level--) {
    const [height, width] = architecture.grids[level];
    if (bounds[level] === 0) {
      grids[level] = new Int16Array(height * width);
      continue;
    }
    const mixtures = new Mixtures(architecture, networks, grids, level);
    const stride = width + 2 * REACH;
    const near = new Int16Array((height + REACH) * stride);
    const places = Int32Array.from(architecture.offsets, ([dy, dx]) => dy * stride + dx);
    for (let y = 0; y < height; y++) {
      if (!(y & 1)) mixtures.compute(y >> 1);
      readRow(stream, model, near, (y + REACH) * stride + REACH, width, places, mixtures.row, bounds[level]);
      yield;
    }
    const grid = new Int16Array(height * width);
    for (let y = 0; y < height; y++) {
      const at = (y + REACH) * stride + REACH;
      grid.set(near.subarray(at, at + width), y * width);
    }
    grids[level] = grid;
  }
  stream.end();
  return grids;
}

/** @param {RangeDecoder} stream @param {ContextModel} model @param {Int16Array} near @param {number} start
 * @param {number} width @param {Int32Array} places @param {Float64Array} mixed @param {number | null} most */
function readRow(stream, model, near, start, width, places, mixed, most) {
  const { inputs, nInputs } = model;
  const nNear = places.length;
  const nMixed = nInputs - nNear;
  let isNew = true;
  for (let x = 0; x < width; x++) {
    const at = start + x;
    for (let i = 0; i < nNear; i++) {
      const c = near[at + places[i]] * ONE;
      if (c !== inputs[i]) {
        inputs[i] = c;
        isNew = true;
      }
    }
    const above = (x >> 1) * nMixed;
    for (let f = 0; f < nMixed; f++) {
      const c = mixed[above + f];
      if (c !== inputs[nNear + f]) {
        inputs[nNear + f] = c;
        isNew = true;
      }
    }
    if (isNew) model.predict();
    isNew = false;
    near[at] =
      most === null
        ? clipped(stream.symbol(model.mean, model.scale), LARGEST_LATENT)
        : stream.bounded(model.mean, model.scale, most);
  }
}

/** The mixtures of coarser grids that a grid gets: one row of them, at the resolution of the next coarser grid. */
class Mixtures {
  /** @param {import("./architecture.js").Architecture} architecture @param {import("../internal.js").Networks} networks
   * @param {Int16Array[]} grids @param {number} level */
  constructor(architecture, { context }, grids, level) {
    this.mix = /** @type {Int32Array} */ (context.tensors.get(`mix${level}`));
    this.n = architecture.nMixtures;
    this.scale = ONE / 2 ** context.weightBits;
    this.coarser = grids.slice(level + 1);
    this.widths = architecture.grids.slice(level + 1).map(([, width]) => width);
    this.width = Math.ceil(architecture.grids[level][1] / 2);
    /** The mixtures of a place beside each other. */
    this.row = new Float64Array(this.width * this.n);
  }

  /** @param {number} y Of the next coarser grid. */
  compute(y) {
    const { mix, n, row, coarser, widths, width } = this;
    const terms = coarser.length + 1;
    for (let x = 0; x < width; x++) {
      for (let f = 0; f < n; f++) {
        let total = mix[f * terms + terms - 1];
        for (let k = 0; k < coarser.length; k++) {
          total += mix[f * terms + k] * coarser[k][(y >> k) * widths[k] + (x >> k)];
        }
        row[x * n + f] = clipped(Math.floor(total * this.scale), LARGEST);
      }
    }
  }
}
