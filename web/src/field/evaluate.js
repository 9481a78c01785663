/** Evaluation of ops at points, in float32 with sums in float64 (`inr/exporters/evaluator.py` defines the ops). */
import { LARGEST_ANGLE, SERIES, vectors } from "./vectors.js";

/** Multiplications that are done at once, before a page may have a turn: some milliseconds. */
const WORK_AT_ONCE = 2 ** 21;
const MOST_POINTS = 1024;

/** Numbers of points that are evaluated at once.
 * @param {import("../internal.js").Op[]} ops */
export function blockOf(ops) {
  const perPoint = ops.reduce((sum, op) => sum + costOf(op, ops), 1);
  return Math.max(1, Math.min(MOST_POINTS, Math.floor(WORK_AT_ONCE / perPoint)));
}

/** @param {import("../internal.js").Op} op @param {import("../internal.js").Op[]} ops */
function costOf(op, ops) {
  if (op.op === "dense") return op.width * ops[op.inputs[0]].width;
  if (op.op === "cosines") return 2 * op.bands * (2 + op.width);
  return op.width * (op.op === "grid" ? 2 ** ops[op.inputs[0]].width : 8);
}

/** The values [n, C] of ops at points [n, D].
 * @param {import("../internal.js").Op[]} ops @param {Float32Array} points @param {number} n At most.
 * @param {import("./vectors.js").Vectors | null} own Faster loops for dense layers and sines. */
export function evaluate(ops, points, n, own = vectors()) {
  const fast = own?.hold(ops, n) ? own : null;
  /** @type {Float32Array[]} */
  const values = [];
  for (const op of ops) {
    const out = fast ? fast.array(n * op.width, op.width) : new Float32Array(n * op.width);
    const inputs = op.inputs.map((i) => values[i]);
    if (op.op === "input") out.set(points.subarray(0, out.length));
    else if (!fast || !runFast(fast, op, out, n, inputs)) OPS[op.op](op, out, n, ...inputs);
    values.push(out);
  }
  const last = values[values.length - 1];
  return fast ? last.slice() : last;
}

/** Whether an op could be done by vectors.
 * @param {import("./vectors.js").Vectors} fast @param {import("../internal.js").Op} op @param {Float32Array} out
 * @param {number} n @param {Float32Array[]} inputs */
function runFast(fast, op, out, n, [a, b = a]) {
  if (op.op === "dense") fast.dense(op, out, n, a);
  else if (op.op === "affine") fast.affine(op, out, n, a);
  else if (op.op === "join" || op.function === "abs") fast.join(op.function, out, a, b);
  else return op.function === "sin" && fast.sines(out, a);
  return true;
}

/** @type {Record<string, (op: import("../internal.js").Op, out: Float32Array, n: number, ...inputs: Float32Array[]) => void>} */
const OPS = { dense, affine, map, join, concat, clamp, grid, cosines };

/** h W^T + b, four rows of W and two points at a time: a number that is read serves several products.
 * @param {import("../internal.js").Op} op @param {Float32Array} out @param {number} n @param {Float32Array} h */
function dense({ width, weight, bias }, out, n, h) {
  const k = h.length / n;
  const w = new Float64Array(k * 4);
  const x = new Float64Array(h);
  for (let j = 0; j < width; j += 4) {
    const rows = Math.min(4, width - j);
    for (let m = 0, at = 0; m < k; m++) {
      for (let r = 0; r < 4; r++, at++) w[at] = r < rows ? weight[(j + r) * k + m] : 0;
    }
    for (let i = 0; i < n; i += 2) {
      const isPair = i + 1 < n;
      let a = 0;
      let b = 0;
      let c = 0;
      let d = 0;
      let e = 0;
      let f = 0;
      let g = 0;
      let o = 0;
      const end = (i + 1) * k;
      for (let m = i * k, other = isPair ? end : m, at = 0; m < end; m++, other++, at += 4) {
        const y = x[m];
        const z = x[other];
        const p = w[at];
        const q = w[at + 1];
        const s = w[at + 2];
        const t = w[at + 3];
        a += p * y;
        b += q * y;
        c += s * y;
        d += t * y;
        e += p * z;
        f += q * z;
        g += s * z;
        o += t * z;
      }
      const to = i * width + j;
      const next = to + width;
      out[to] = a + bias[j];
      if (rows > 1) out[to + 1] = b + bias[j + 1];
      if (rows > 2) out[to + 2] = c + bias[j + 2];
      if (rows > 3) out[to + 3] = d + bias[j + 3];
      if (!isPair) continue;
      out[next] = e + bias[j];
      if (rows > 1) out[next + 1] = f + bias[j + 1];
      if (rows > 2) out[next + 2] = g + bias[j + 2];
      if (rows > 3) out[next + 3] = o + bias[j + 3];
    }
  }
}

/** @param {import("../internal.js").Op} op @param {Float32Array} out @param {number} n @param {Float32Array} h */
function affine({ width, scale, shift }, out, n, h) {
  for (let i = 0, at = 0; i < n; i++) {
    for (let j = 0; j < width; j++, at++) out[at] = Math.fround(h[at] * scale[j]) + shift[j];
  }
}

/** @type {Record<string, (v: number) => number>} */
const FUNCTIONS = { sin: Math.sin, cos: Math.cos, tanh: Math.tanh, abs: Math.abs, sqrt: Math.sqrt };

/** @param {import("../internal.js").Op} op @param {Float32Array} out @param {number} _ @param {Float32Array} h */
function map(op, out, _, h) {
  if (op.function === "relu") {
    // What is not a number stays so.
    for (let i = 0; i < out.length; i++) out[i] = h[i] < 0 ? 0 : h[i];
    return;
  }
  if (op.function === "sin") return sines(out, h);
  const f = FUNCTIONS[op.function];
  for (let i = 0; i < out.length; i++) out[i] = f(h[i]);
}

/** sin(x) = (-1)^k sin(r), |r| = |x - k pi| <= pi / 2.
 * @param {Float32Array} out @param {Float32Array} h */
function sines(out, h) {
  const [a, b, c, d, e, f] = SERIES;
  for (let i = 0; i < out.length; i++) {
    const x = h[i];
    if (!(Math.abs(x) < LARGEST_ANGLE)) {
      out[i] = Math.sin(x);
      continue;
    }
    const k = Math.floor(x * (1 / Math.PI) + 0.5);
    const r = x - k * Math.PI;
    const s = r * r;
    const sum = r + r * s * (a + s * (b + s * (c + s * (d + s * (e + s * f)))));
    out[i] = k & 1 ? -sum : sum;
  }
}

/** @param {import("../internal.js").Op} op @param {Float32Array} out @param {number} _ @param {Float32Array} a
 * @param {Float32Array} b */
function join(op, out, _, a, b) {
  if (op.function === "add") for (let i = 0; i < out.length; i++) out[i] = a[i] + b[i];
  else for (let i = 0; i < out.length; i++) out[i] = a[i] * b[i];
}

/** @param {import("../internal.js").Op} op @param {Float32Array} out @param {number} n @param {...Float32Array} parts */
function concat({ width }, out, n, ...parts) {
  let from = 0;
  for (const part of parts) {
    const k = part.length / n;
    for (let i = 0; i < n; i++) out.set(part.subarray(i * k, (i + 1) * k), i * width + from);
    from += k;
  }
}

/** @param {import("../internal.js").Op} op @param {Float32Array} out @param {number} _ @param {Float32Array} h */
function clamp({ low, high }, out, _, h) {
  for (let i = 0; i < out.length; i++) out[i] = Math.min(Math.max(h[i], low), high);
}

/** Features of vertices, interpolated.
 * @param {import("../internal.js").Op} op @param {Float32Array} out @param {number} n @param {Float32Array} x */
function grid({ width, table, scale, start, stride, factor, entries, offset, isHashed, isSmooth }, out, n, x) {
  const d = x.length / n;
  const features = width / entries.length;
  const cell = new Float64Array(d);
  const t = new Float64Array(d);
  out.fill(0);
  for (let level = 0; level < entries.length; level++) {
    for (let i = 0; i < n; i++) {
      for (let a = 0; a < d; a++) {
        const place = Math.fround(Math.fround(x[i * d + a] * scale[level * d + a]) + start);
        cell[a] = Math.floor(place);
        const rest = Math.fround(place - cell[a]);
        t[a] = isSmooth ? rest * rest * (3 - 2 * rest) : rest;
      }
      const to = i * width + level * features;
      for (let corner = 0; corner < 1 << d; corner++) {
        let weight = 1;
        let index = 0;
        for (let a = 0; a < d; a++) {
          const side = (corner >> a) & 1;
          weight *= side ? t[a] : 1 - t[a];
          if (isHashed[level]) index ^= Math.imul(cell[a] + side, factor[a]);
          else index += (cell[a] + side) * stride[level * d + a];
        }
        const row = isHashed[level] ? (index & (entries[level] - 1)) >>> 0 : index % entries[level];
        const from = (offset[level] + row) * features;
        for (let f = 0; f < features; f++) out[to + f] += weight * table[from + f];
      }
    }
  }
}

/** Windowed cosines of the two frames that a point lies in: sqrt(2 / M) sin(pi t / 2M) sum_k c_k cos(pi / M (t + M / 2)
 * (k + 1/2)). The cosines follow from their recurrence in k.
 * @param {import("../internal.js").Op} op @param {Float32Array} out @param {number} n @param {Float32Array} x */
function cosines({ width, table, bands, samples, frames }, out, n, x) {
  const sums = new Float64Array(width);
  for (let i = 0; i < n; i++) {
    const at = x[i] * samples;
    const first = Math.min(Math.floor(at / bands), frames - 1);
    sums.fill(0);
    for (const side of [0, 1]) {
      const place = at - first * bands + (side ? 0 : bands);
      const frame = Math.min(first + side, frames - 1) * width * bands;
      const angle = (Math.PI / bands) * (place + bands / 2);
      const window = Math.sin((Math.PI / (2 * bands)) * place) * Math.sqrt(2 / bands);
      const double = 2 * Math.cos(angle);
      let before = window * Math.cos(angle / 2);
      let now = before;
      for (let k = 0; k < bands; k++) {
        for (let f = 0; f < width; f++) sums[f] += now * table[frame + f * bands + k];
        const next = double * now - before;
        before = now;
        now = next;
      }
    }
    for (let f = 0; f < width; f++) out[i * width + f] = sums[f];
  }
}
