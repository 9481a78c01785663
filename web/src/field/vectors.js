/** Loops of `evaluate.js` in WebAssembly, on vectors of 128 bits: the same operations in the same order, so the same numbers.
 *
 * The module is written here, byte by byte. A policy of the page without `wasm-unsafe-eval` forbids it; then the loops in
 * JavaScript do the work.
 */

/** Most bytes of weights and values that are held for it. */
const MOST_BYTES = 2 ** 27;
const PAGE = 2 ** 16;
/** Rows that a pass takes at once; what lies behind the last row is calculated and not used. */
const ROWS = 4;

const I32 = 0x7f;
const V128 = 0x7b;

/** @typedef {import("../internal.js").Op} Op */
/** @typedef {{dense: (x: number, bytes: number, weight: number, bias: number, out: number, stride: number, n: number) => void,
 *   affine: (h: number, scale: number, shift: number, out: number, n: number, bytes: number) => void,
 *   sines: (h: number, out: number, end: number) => number,
 *   add: (a: number, b: number, out: number, end: number) => void,
 *   multiply: (a: number, b: number, out: number, end: number) => void,
 *   abs: (a: number, b: number, out: number, end: number) => void}} Loops */

/** LEB128, signed. @param {number} v @returns {number[]} */
function leb(v) {
  return v >= -64 && v < 64 ? [v & 127] : [(v & 127) | 128, ...leb(v >> 7)];
}

/** LEB128, unsigned. @param {number} v @returns {number[]} */
function size(v) {
  return v < 128 ? [v] : [(v & 127) | 128, ...size(v >> 7)];
}

/** @param {number} id @param {number[][]} parts */
function section(id, parts) {
  const body = [...size(parts.length), ...parts.flat()];
  return [id, ...size(body.length), ...body];
}

/** @param {number} i */
const get = (i) => [0x20, i];
/** @param {number} i */
const set = (i) => [0x21, i];
/** @param {number} code @param {...number} rest */
const vector = (code, ...rest) => [0xfd, ...size(code), ...rest];
/** @param {number} code @param {number} offset */
const memory = (code, offset) => vector(code, 2, offset);
/** @param {number} i @param {number} by */
const add = (i, by) => [...get(i), 0x41, ...leb(by), 0x6a, ...set(i)];
/** Repeats as long as the value on top is not 0. @param {...number[]} body */
const loop = (...body) => [0x03, 0x40, ...body.flat(), 0x0d, 0, 0x0b];
/** @param {number} i @param {number} j */
const differ = (i, j) => [...get(i), ...get(j), 0x47];
/** @param {number} value */
const splat = (value) => [0x44, ...new Uint8Array(new Float64Array([value]).buffer), ...vector(0x14)];

const LOAD = 0;
const LOAD_SPLAT = 10;
const LOAD_HALF = 0x5d;
const STORE = 11;
/** Stores the lower half. @param {number} offset */
const storeHalf = (offset) => [...memory(0x5b, offset), 0];
const FLOOR = vector(0x75);
const DEMOTE = vector(0x5e);
const PROMOTE = vector(0x5f);
const [ADD4, MULTIPLY4, ABSOLUTE4] = [vector(0xe4), vector(0xe6), vector(0xe0)];
const [ADD, SUBTRACT, MULTIPLY] = [vector(0xf0), vector(0xf1), vector(0xf2)];

/** out = h W^T + b for four rows of W and four points at a time: x in float64, of W pairs of rows [m][4].
 * Parameters: x 0, bytes of a point 1, weight 2, bias 3, out 4, bytes between rows of out 5, points 6. */
function dense() {
  const pointers = [7, 8, 9, 10];
  const [end, from, nought, p, q, y] = [11, 12, 13, 22, 23, 24];
  /** @param {number} r @param {number} half */
  const sum = (r, half) => 14 + 2 * r + half;
  const sums = pointers.flatMap((_, r) => [0, 1].map((half) => ({ r, half })));
  return [
    ...loop(
      [...get(0), ...set(7)],
      ...[0, 1, 2].map((r) => [...get(7 + r), ...get(1), 0x6a, ...set(8 + r)]),
      [...get(8), ...set(end), ...get(2), ...set(from)],
      ...sums.map(({ r, half }) => [...get(nought), ...set(sum(r, half))]),
      loop(
        [...get(from), ...memory(LOAD, 0), ...set(p), ...get(from), ...memory(LOAD, 16), ...set(q)],
        ...pointers.map((pointer, r) => [
          ...get(pointer), ...memory(LOAD_SPLAT, 0), ...set(y),
          ...get(sum(r, 0)), ...get(p), ...get(y), ...MULTIPLY, ...ADD, ...set(sum(r, 0)),
          ...get(sum(r, 1)), ...get(q), ...get(y), ...MULTIPLY, ...ADD, ...set(sum(r, 1)),
          ...add(pointer, 8),
        ]),
        add(from, 32),
        differ(7, end),
      ),
      ...pointers.map((_, r) => [
        ...[0, 1].flatMap((half) => [
          ...get(4), ...get(sum(r, half)), ...get(3), ...memory(LOAD, 16 * half), ...ADD, ...DEMOTE, ...storeHalf(8 * half),
        ]),
        ...get(4), ...get(5), 0x6a, ...set(4),
      ]),
      [...get(10), ...set(0)],
      add(6, -ROWS),
      get(6),
    ),
  ];
}

/** out = h scale + shift in float32, four rows at a time. Parameters: h 0, scale 1, shift 2, out 3, points 4, bytes of four
 * rows 5. */
function affine() {
  const [scale, shift, end] = [6, 7, 8];
  return loop(
    [...get(1), ...set(scale), ...get(2), ...set(shift), ...get(1), ...get(5), 0x6a, ...set(end)],
    loop(
      [...get(3), ...get(0), ...memory(LOAD, 0), ...get(scale), ...memory(LOAD, 0), ...MULTIPLY4],
      [...get(shift), ...memory(LOAD, 0), ...ADD4, ...memory(STORE, 0)],
      ...[0, 3, scale, shift].map((i) => add(i, 16)),
      differ(scale, end),
    ),
    add(4, -ROWS),
    get(4),
  );
}

/** Of `sin` for sin(r) = r + r^3 (S[0] + r^2 (S[1] + ...)), |r| <= pi / 2: less than 1e-9 off, which float32 does not show. */
export const SERIES = [-1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800];
/** Larger arguments are left to Math.sin. */
export const LARGEST_ANGLE = 1e6;

/** Whether all arguments are small enough. Parameters: h 0, out 1, end of h 2. */
function sines() {
  const [x, k, s, sum, isSmall] = [3, 4, 5, 6, 7];
  const constants = [1 / Math.PI, 0.5, Math.PI, LARGEST_ANGLE, 1, 4, ...SERIES];
  const first = 8;
  const [reciprocal, half, pi, largest, one, four, ...series] = constants.map((_, i) => get(first + i));
  const last = /** @type {number[]} */ (series.pop());
  return [
    ...constants.flatMap((value, i) => [...splat(value), ...set(first + i)]),
    ...[...get(first + 4), ...get(first + 4), ...vector(0x47), ...set(isSmall)],
    ...loop(
      [...get(0), ...memory(LOAD_HALF, 0), ...PROMOTE, ...set(x)],
      [...get(isSmall), ...get(x), ...vector(0xec), ...largest, ...vector(0x49), ...vector(0x4e), ...set(isSmall)],
      [...get(x), ...reciprocal, ...MULTIPLY, ...half, ...ADD, ...FLOOR, ...set(k)],
      [...get(x), ...get(k), ...pi, ...MULTIPLY, ...SUBTRACT, ...set(x), ...get(x), ...get(x), ...MULTIPLY, ...set(s)],
      [...last, ...set(sum)],
      ...series.reverse().map((c) => [...c, ...get(s), ...get(sum), ...MULTIPLY, ...ADD, ...set(sum)]),
      [...get(x), ...get(x), ...get(s), ...MULTIPLY, ...get(sum), ...MULTIPLY, ...ADD, ...set(sum)],
      // The sign is 1 for even k, -1 for odd: 1 - 4 (k / 2 - floor(k / 2)).
      [...get(k), ...half, ...MULTIPLY, ...set(k)],
      [...get(1), ...get(sum), ...one, ...four, ...get(k), ...get(k), ...FLOOR, ...SUBTRACT, ...MULTIPLY, ...SUBTRACT, ...MULTIPLY],
      [...DEMOTE, ...storeHalf(0)],
      add(0, 8),
      add(1, 8),
      differ(0, 2),
    ),
    ...get(isSmall), ...vector(0xc3),
  ];
}

/** An operation on two arrays in float32. Parameters: a 0, b 1, out 2, end of a 3. @param {number[]} code */
function joined(code) {
  return loop(
    [...get(2), ...get(0), ...memory(LOAD, 0), ...get(1), ...memory(LOAD, 0), ...code, ...memory(STORE, 0)],
    ...[0, 1, 2].map((i) => add(i, 16)),
    differ(0, 3),
  );
}

/** @param {number} n @param {number} type */
const locals = (n, type) => [...size(n), type];

function moduleBytes() {
  /** @param {number} n @param {number[]} results */
  const type = (n, results) => [0x60, n, ...Array(n).fill(I32), results.length, ...results];
  /** @param {number[][]} groups @param {number[]} body */
  const code = (groups, body) => {
    const whole = [groups.length, ...groups.flat(), ...body, 0x0b];
    return [...size(whole.length), ...whole];
  };
  /** @param {string} text */
  const name = (text) => [text.length, ...new TextEncoder().encode(text)];
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [type(7, []), type(6, []), type(3, [I32]), type(4, [])]),
    ...section(2, [[...name("m"), ...name("m"), 2, 0, 1]]),
    ...section(3, [[0], [1], [2], [3], [3], [3]]),
    ...section(7, ["dense", "affine", "sines", "add", "multiply", "abs"].map((text, i) => [...name(text), 0, i])),
    ...section(10, [
      code([locals(6, I32), locals(12, V128)], dense()),
      code([locals(3, I32)], affine()),
      code([locals(17, V128)], sines()),
      ...[ADD4, MULTIPLY4, [0x1a, ...ABSOLUTE4]].map((each) => code([], joined(each))),
    ]),
  ]);
}

/** The memory that the loops work in: the weights of one field, and values of a block of points. */
export class Vectors {
  constructor() {
    this.memory = new WebAssembly.Memory({ initial: 1 });
    const made = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()), { m: { m: this.memory } });
    this.loops = /** @type {Loops} */ (/** @type {unknown} */ (made.exports));
    /** @type {Op[] | null} */
    this.ops = null;
    /** Where the weights of ops lie, and other arrays of theirs. @type {Map<Op, number>} */
    this.places = new Map();
    this.floats = new Float32Array(this.memory.buffer);
    this.doubles = new Float64Array(this.memory.buffer);
    /** Ends of the weights, of points in float64, and of values so far. */
    this.held = 0;
    this.points = 0;
    this.end = 0;
  }

  /** Room for the values of n points; the weights are copied when ops are new. False if that is too much.
   * @param {Op[]} ops @param {number} n */
  hold(ops, n) {
    const rows = ROWS * Math.ceil(n / ROWS);
    const isNew = this.ops !== ops;
    let held = 16;
    if (isNew) for (const op of ops) held += bytesOfParameters(op, ops);
    else held = this.held;
    const widest = ops.reduce((most, op) => Math.max(most, op.width), 0);
    const points = held + 8 * rows * widest;
    const end = points + ops.reduce((sum, op) => sum + 16 * Math.ceil((4 * rows * op.width) / 16) + 16, 0);
    if (end > MOST_BYTES) return false;
    if (end > this.memory.buffer.byteLength) {
      this.memory.grow(Math.ceil((end - this.memory.buffer.byteLength) / PAGE));
      this.floats = new Float32Array(this.memory.buffer);
      this.doubles = new Float64Array(this.memory.buffer);
    }
    [this.held, this.points, this.end] = [held, points, points];
    if (isNew) this.copy(ops);
    return true;
  }

  /** @param {Op[]} ops */
  copy(ops) {
    this.ops = ops;
    this.places.clear();
    let at = 16;
    for (const op of ops) {
      const bytes = bytesOfParameters(op, ops);
      if (!bytes) continue;
      this.places.set(op, at);
      if (op.op === "dense") this.copyWeights(op, ops[op.inputs[0]].width, at / 8);
      else {
        for (let r = 0; r < ROWS; r++) {
          this.floats.set(op.scale, at / 4 + r * op.width);
          this.floats.set(op.shift, at / 4 + (ROWS + r) * op.width);
        }
      }
      at += bytes;
    }
  }

  /** By groups of four rows: their numbers for each input, then their biases; rows that are missing are 0.
   * @param {Op} op @param {number} k @param {number} to */
  copyWeights({ width, weight, bias }, k, to) {
    for (let j = 0; j < width; j += 4) {
      for (let m = 0; m <= k; m++) {
        for (let r = 0; r < 4; r++, to++) {
          const row = j + r;
          this.doubles[to] = row < width ? (m < k ? weight[row * k + m] : bias[row]) : 0;
        }
      }
    }
  }

  /** Rows of values, which are any numbers; those up to a multiple of four rows are 0.
   * @param {number} length @param {number} width */
  array(length, width) {
    const at = this.end;
    this.end += 16 * Math.ceil((4 * ROWS * width * Math.ceil(length / width / ROWS)) / 16) + 16;
    this.floats.fill(0, at / 4 + length, this.end / 4);
    return this.floats.subarray(at / 4, at / 4 + length);
  }

  /** @param {Op} op @param {Float32Array} out @param {number} n @param {Float32Array} h */
  dense(op, out, n, h) {
    const { width } = op;
    const k = h.length / n;
    const from = this.held / 8;
    this.doubles.set(h, from);
    const rows = ROWS * Math.ceil(n / ROWS);
    this.doubles.fill(0, from + h.length, from + rows * k);
    const group = 32 * (k + 1);
    const place = /** @type {number} */ (this.places.get(op));
    // The last group is the first: what it writes beyond its rows is written over.
    for (let j = 4 * Math.floor((width - 1) / 4); j >= 0; j -= 4) {
      const weight = place + (j / 4) * group;
      this.loops.dense(this.held, 8 * k, weight, weight + 32 * k, out.byteOffset + 4 * j, 4 * width, rows);
    }
  }

  /** @param {Op} op @param {Float32Array} out @param {number} n @param {Float32Array} h */
  affine(op, out, n, h) {
    const place = /** @type {number} */ (this.places.get(op));
    const bytes = 4 * ROWS * op.width;
    this.loops.affine(h.byteOffset, place, place + bytes, out.byteOffset, ROWS * Math.ceil(n / ROWS), bytes);
  }

  /** @param {"add" | "multiply" | "abs"} name @param {Float32Array} out @param {Float32Array} a @param {Float32Array} b */
  join(name, out, a, b) {
    this.loops[name](a.byteOffset, b.byteOffset, out.byteOffset, a.byteOffset + 16 * Math.ceil(a.length / 4));
  }

  /** Whether it could. @param {Float32Array} out @param {Float32Array} h */
  sines(out, h) {
    return this.loops.sines(h.byteOffset, out.byteOffset, h.byteOffset + 8 * Math.ceil(h.length / 2)) === 1;
  }
}

/** @param {Op} op @param {Op[]} ops */
function bytesOfParameters(op, ops) {
  if (op.op === "affine") return 2 * 4 * ROWS * op.width;
  return op.op === "dense" ? 32 * (ops[op.inputs[0]].width + 1) * Math.ceil(op.width / 4) : 0;
}

/** @type {Vectors | null | undefined} */
let found;

/** The loops, or null where there are none. */
export function vectors() {
  if (found === undefined) {
    try {
      found = new Vectors();
    } catch {
      found = null;
    }
  }
  return found;
}
