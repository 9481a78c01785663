/** The context model of the latents, in whole numbers.
 *
 * All sums stay below 2^53 (FORMAT.md, section 9), so numbers of 64 bits are exact, in whatever order they are added.
 */
const LARGEST = 2 ** 30;
const ONE = 2 ** 12;
const OCTAVE = 23637;
const MU_LIMIT = 2 ** 15;
/** Rows of a layer that are computed together, because a sum alone waits for each of its additions. */
const TOGETHER = 4;

export class ContextModel {
  /** @param {import("./architecture.js").Architecture} architecture @param {import("../internal.js").Networks} networks */
  constructor(architecture, { context: { tensors, weightBits, biasBits } }) {
    const k = architecture.nInputs;
    this.nInputs = k;
    this.unit = 2 ** weightBits;
    const up = 2 ** (12 + weightBits - biasBits);
    /** @param {string} name */
    const of = (name) => /** @type {Int32Array} */ (tensors.get(name));
    /** @param {string} name @param {number} rows */
    const bias = (name, rows) => {
      const values = new Float64Array(rows);
      of(name).forEach((value, i) => (values[i] = Math.floor(value * up)));
      return values;
    };
    this.room = Math.ceil(k / TOGETHER) * TOGETHER;
    this.weights = Array.from({ length: architecture.nHidden }, (_, layer) => {
      const own = of(`context${layer}.weight`);
      const values = new Float64Array(this.room * k);
      for (let j = 0; j < k; j++) {
        for (let i = 0; i < k; i++) values[i * this.room + j] = own[j * k + i] + (i === j ? this.unit : 0);
      }
      return values;
    });
    this.biases = this.weights.map((_, layer) => bias(`context${layer}.bias`, this.room));
    this.last = Float64Array.from(of(`context${architecture.nHidden}.weight`));
    this.skip = Float64Array.from(of("context.skip"));
    this.offset = bias(`context${architecture.nHidden}.bias`, 2);
    this.inputs = new Float64Array(k);
    /** The inputs of a layer that are not 0, which many are, and where their weights begin. */
    this.some = new Float64Array(k);
    this.places = new Int32Array(k);
    this.hidden = [new Float64Array(this.room), new Float64Array(this.room)];
    this.mean = 0;
    this.scale = 0;
  }

  /** Set `mean`, in 1/256, and `scale`, the scale index, from `inputs`. */
  predict() {
    const { inputs, nInputs: k, room, unit } = this;
    const { some, places } = this;
    let from = inputs;
    for (let layer = 0; layer < this.weights.length; layer++) {
      const w = this.weights[layer];
      const bias = this.biases[layer];
      const to = this.hidden[layer & 1];
      let n = 0;
      for (let i = 0; i < k; i++) {
        if (from[i] === 0) continue;
        some[n] = from[i];
        places[n++] = i * room;
      }
      for (let j = 0; j < room; j += TOGETHER) {
        let a = bias[j];
        let b = bias[j + 1];
        let c = bias[j + 2];
        let d = bias[j + 3];
        for (let i = 0; i < n; i++) {
          const h = some[i];
          const at = places[i] + j;
          a += w[at] * h;
          b += w[at + 1] * h;
          c += w[at + 2] * h;
          d += w[at + 3] * h;
        }
        to[j] = rectified(a, unit);
        to[j + 1] = rectified(b, unit);
        to[j + 2] = rectified(c, unit);
        to[j + 3] = rectified(d, unit);
      }
      from = to;
    }
    const { last, skip } = this;
    let mean = this.offset[0];
    let scale = this.offset[1];
    for (let i = 0; i < k; i++) {
      mean += last[i] * from[i] + skip[i] * inputs[i];
      scale += last[k + i] * from[i] + skip[k + i] * inputs[i];
    }
    this.mean = clipped(Math.floor(mean / (unit * 16)), MU_LIMIT);
    const octaves = (clipped(Math.floor(scale / unit), LARGEST) - 4 * ONE) * OCTAVE;
    this.scale = Math.min(Math.max(Math.floor(octaves / 4194304) + 96, 0), 255);
  }
}

/** @param {number} total @param {number} unit */
function rectified(total, unit) {
  return total > 0 ? Math.min(Math.floor(total / unit), LARGEST) : 0;
}

/** @param {number} value @param {number} limit */
export function clipped(value, limit) {
  return value < -limit ? -limit : value > limit ? limit : value;
}
