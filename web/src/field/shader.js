/** Fragment shaders of GLSL ES 3.00 from ops, as `inr/exporters/shader.py` writes them for pages of `inr export`.
 *
 * A value of an op is an array of 4-vectors, whose last one may have more components than the value; these are finite, and
 * their weights are 0. All numbers lie in one texture of 4-vectors. Arguments of sines are reduced, and the sine is a
 * polynomial, because the language promises 2^-11 only.
 */
import { UnsupportedError } from "../errors.js";
import { SERIES } from "./vectors.js";

/** 4-vectors in a row of the texture of numbers: the width that WebGL 2 promises. */
export const ROW = 2048;
/** Largest width of a value; each point has arrays of this size. */
const MOST_WIDTH = 1024;
const MOST_CHANNELS = 4;
const MOST_COORDINATES = 4;
/** Largest magnitude that values may have: shaders may treat what is not finite as they like. */
const LARGEST = 2 ** 60;
/** Up to this argument, multiples of pi that are near it are exact in their first part. */
const LARGEST_ANGLE = 1e5;
/** The sum is pi to 40 bits; products of the first two with whole numbers of 13 bits are exact. */
const PI = [201 / 64, 2029 / 2 ** 21, 1.509957990978376e-7];

/** @typedef {import("../internal.js").Op} Op */
/** @typedef {{name: string, width: number}} Value */

/** The shader of ops, and the 4-vectors of its texture `numbers`. It takes the point of each pixel from the texture `points`,
 * and gives up to four channels. UnsupportedError if a shader cannot evaluate them.
 * @param {Op[]} ops @returns {{text: string, numbers: Float32Array}} */
export function shaderOf(ops) {
  check(ops);
  const writer = new Writer();
  /** The op that reads a value last; the last value is kept. */
  const last = ops.map((_, i) => ops.reduce((end, op, j) => (op.inputs.includes(i) ? j : end), ops.length));
  /** @type {Value[]} */
  const values = [];
  ops.forEach((op, i) => {
    const inputs = op.inputs.map((j) => values[j]);
    const isInPlace = IN_PLACE.includes(op.op) && last[op.inputs[0]] === i;
    const name = isInPlace ? inputs[0].name : writer.array(op.width);
    WRITERS[op.op](writer, op, name, ...inputs);
    values.push({ name, width: op.width });
    for (const j of new Set(op.inputs)) if (last[j] === i && values[j].name !== name) writer.release(values[j]);
  });
  writer.line(`value = ${values[values.length - 1].name}[0];`);
  return { text: `${head()}void main() {\n${writer.lines.join("\n")}\n}\n`, numbers: writer.numbers() };
}

/** UnsupportedError unless shaders know the ops and all values are finite: then no check of them can differ from those on
 * the processor.
 * @param {Op[]} ops */
function check(ops) {
  /** Bounds of magnitudes. @type {number[]} */
  const bounds = [];
  for (const op of ops) {
    if (!WRITERS[op.op] || (op.op === "map" && !MAPS[op.function])) throw new UnsupportedError(`a shader has no op ${op.function ?? op.op}`);
    const bound = boundOf(op, op.inputs.map((i) => bounds[i]));
    const isAngle = op.function === "sin" || op.function === "cos";
    if (!(bound < LARGEST) || (isAngle && bounds[op.inputs[0]] > LARGEST_ANGLE)) {
      throw new UnsupportedError("the field may have values that are too large for a shader");
    }
    if (op.width > MOST_WIDTH) throw new UnsupportedError(`the field has ${op.width} numbers side by side, a shader ${MOST_WIDTH}`);
    bounds.push(bound);
  }
  const [coordinates, channels] = [ops[0].width, ops[ops.length - 1].width];
  if (coordinates > MOST_COORDINATES || channels > MOST_CHANNELS) {
    throw new UnsupportedError(`the field has ${coordinates} coordinates and ${channels} channels, a shader 4 and 4`);
  }
}

/** Of magnitudes; NaN if a number is not one.
 * @param {Op} op @param {number[]} inputs Bounds; coordinates are in [-2, 2]. */
function boundOf(op, inputs) {
  const [a, b] = inputs;
  switch (op.op) {
    case "input":
      return 2;
    case "dense":
      return largestRow(op, a);
    case "affine":
      return a * largest(op.scale) + largest(op.shift);
    case "join":
      return op.function === "add" ? a + b : a * b;
    case "clamp":
      return Math.max(Math.abs(op.low), Math.abs(op.high));
    case "grid":
      return 2 * largest(op.table);
    case "map":
      return op.function === "abs" || op.function === "relu" ? a : 1;
    default:
      return Math.max(...inputs);
  }
}

/** @param {Op} op @param {number} bound Of inputs. */
function largestRow({ width, weight, bias }, bound) {
  const k = weight.length / width;
  let most = 0;
  for (let j = 0; j < width; j++) {
    let sum = Math.abs(bias[j]);
    for (let m = j * k; m < (j + 1) * k; m++) sum += Math.abs(weight[m]) * bound;
    most = Math.max(most, sum);
  }
  return most;
}

/** @param {Float32Array} values */
function largest(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

function head() {
  const sum = SERIES.map(number).reduceRight((inner, c) => (inner ? `${c} + s * (${inner})` : c), "");
  return `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
uniform sampler2D points, numbers;
out vec4 value;
vec4 at(int i) { return texelFetch(numbers, ivec2(i & ${ROW - 1}, i >> ${Math.log2(ROW)}), 0); }
// The sine of x + 2 h pi / 2: x - (m - h) pi is in [-pi / 2, pi / 2].
vec4 sine(vec4 x, float h) {
  vec4 m = floor(x * ${number(1 / Math.PI)} + (0.5 + h)), k = m - h;
  vec4 r = ((x - k * ${number(PI[0])}) - k * ${number(PI[1])}) - k * ${number(PI[2])}, s = r * r;
  return (1.0 - 4.0 * fract(0.5 * m)) * (r + r * s * (${sum}));
}
`;
}

/** @param {number} value */
function number(value) {
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** @type {Record<string, (a: string) => string>} */
const MAPS = {
  sin: (a) => `sine(${a}, 0.0)`,
  cos: (a) => `sine(${a}, 0.5)`,
  tanh: (a) => `tanh(clamp(${a}, -15.0, 15.0))`,
  abs: (a) => `abs(${a})`,
  relu: (a) => `max(${a}, 0.0)`,
};

const IN_PLACE = ["affine", "map", "join", "clamp"];

/** @type {Record<string, (to: Writer, op: Op, out: string, ...inputs: Value[]) => void>} */
const WRITERS = {
  input: (to, _, out) => to.line(`${out}[0] = texelFetch(points, ivec2(gl_FragCoord.xy), 0);`),
  dense,
  affine: (to, { width, scale, shift }, out, h) => {
    const [a, b] = [scale, shift].map((values) => to.columns(values));
    to.each(width, (j) => `${out}[${j}] = ${h.name}[${j}] * ${a(j)} + ${b(j)};`);
  },
  map: (to, op, out, h) => to.each(op.width, (j) => `${out}[${j}] = ${MAPS[op.function](`${h.name}[${j}]`)};`),
  join: (to, op, out, a, b) => {
    to.each(op.width, (j) => `${out}[${j}] = ${a.name}[${j}] ${op.function === "add" ? "+" : "*"} ${b.name}[${j}];`);
  },
  concat,
  clamp: (to, { width, low, high }, out, h) => {
    to.each(width, (j) => `${out}[${j}] = clamp(${h.name}[${j}], ${number(low)}, ${number(high)});`);
  },
  grid,
};

/** The columns of four rows of W are 4-vectors.
 * @param {Writer} to @param {Op} op @param {string} out @param {Value} h */
function dense(to, { width, weight, bias }, out, h) {
  const [n, m] = [Math.ceil(h.width / 4), Math.ceil(width / 4)];
  const blocks = new Float32Array(16 * n * m);
  for (let j = 0; j < width; j++) {
    for (let k = 0; k < h.width; k++) {
      blocks[((j >> 2) * n + (k >> 2)) * 16 + (k & 3) * 4 + (j & 3)] = weight[j * h.width + k];
    }
  }
  const [a, b] = [to.store(blocks), to.store(bias)];
  to.line(`for (int j = 0; j < ${m}; j++) {
vec4 s = at(${b} + j);
for (int k = 0; k < ${n}; k++) {
vec4 h = ${h.name}[k];
int i = ${a} + 4 * (j * ${n} + k);
s += at(i) * h.x + at(i + 1) * h.y + at(i + 2) * h.z + at(i + 3) * h.w;
}
${out}[j] = s;
}`);
}

/** @param {Writer} to @param {Op} op @param {string} out @param {...Value} parts */
function concat(to, { width }, out, ...parts) {
  let from = 0;
  to.line(`${out}[${Math.ceil(width / 4) - 1}] = vec4(0.0);`);
  for (const { name, width: k } of parts) {
    // Components behind the last one of a part are written over by the next part.
    if (from % 4 === 0) to.each(k, (j) => `${out}[${from / 4} + ${j}] = ${name}[${j}];`);
    else to.line(`for (int c = 0, i = ${from}; c < ${k}; c++, i++) ${out}[i >> 2][i & 3] = ${name}[c >> 2][c & 3];`);
    from += k;
  }
}

/** Rows of the table have 1, 2, 4 or 8 numbers, so that none lies in parts of two 4-vectors.
 * @param {Writer} to @param {Op} op @param {string} out @param {Value} x */
function grid(to, { width, table, scale, start, stride, factor, entries, offset, isHashed, isSmooth }, out, x) {
  const features = width / entries.length;
  const size = 2 ** Math.ceil(Math.log2(features));
  const base = to.store(size === features ? table : padded(table, features, size));
  const axes = Array.from({ length: x.width }, (_, a) => a);
  to.line(`${out}[${Math.ceil(width / 4) - 1}] = vec4(0.0);`);
  /** @type {number[]} */ (entries).forEach((count, level) => {
    const own = (/** @type {number[]} */ values, /** @type {number} */ a) => values[level * x.width + a];
    to.line("{\nvec4 s = vec4(0.0), z = s;");
    for (const a of axes) {
      to.line(`float p${a} = ${component(x.name, a)} * ${number(own(scale, a))} + ${number(start)}, c${a} = floor(p${a}), t${a} = p${a} - c${a};`);
      if (isSmooth) to.line(`t${a} = t${a} * t${a} * (3.0 - 2.0 * t${a});`);
    }
    to.line(`for (int m = 0; m < ${2 ** x.width}; m++) {`);
    for (const a of axes) to.line(`bool b${a} = (m >> ${a} & 1) == 1;\nuint q${a} = uint(c${a}) + uint(b${a});`);
    to.line(`float u = ${axes.map((a) => `(b${a} ? t${a} : 1.0 - t${a})`).join(" * ")};`);
    const row = isHashed[level]
      ? `(${axes.map((a) => `q${a} * ${factor[a]}u`).join(" ^ ")}) & ${count - 1}u`
      : `(${axes.map((a) => `q${a} * ${own(stride, a)}u`).join(" + ")}) % ${count}u`;
    to.line(`uint r = (${row}) + ${offset[level]}u;`);
    to.line(`int i = ${base} + int(r * ${size}u >> 2u);`);
    to.line(ROWS[size]);
    to.line("}");
    for (let f = 0; f < features; f++) {
      to.line(`${component(out, level * features + f)} = ${f < 4 ? "s" : "z"}.${"xyzw"[f % 4]};`);
    }
    to.line("}");
  });
}

/** A row of a table times its weight, by its size. @type {Record<number, string>} */
const ROWS = {
  1: "s.x += u * at(i)[r & 3u];",
  2: "vec4 e = at(i);\ns.xy += u * ((r & 1u) == 0u ? e.xy : e.zw);",
  4: "s += u * at(i);",
  8: "s += u * at(i);\nz += u * at(i + 1);",
};

/** @param {Float32Array} rows @param {number} from @param {number} to Numbers of a row. */
function padded(rows, from, to) {
  const out = new Float32Array((rows.length / from) * to);
  for (let i = 0, at = 0; i < rows.length; i += from, at += to) out.set(rows.subarray(i, i + from), at);
  return out;
}

/** @param {string} name @param {number} c */
function component(name, c) {
  return `${name}[${c >> 2}].${"xyzw"[c & 3]}`;
}

/** The body of `main` and the numbers that it reads. */
class Writer {
  constructor() {
    /** @type {string[]} */
    this.lines = [];
    /** @type {Float32Array[]} */
    this.blocks = [];
    /** 4-vectors so far. */
    this.size = 0;
    /** Arrays that can be used anew, by their length. @type {Map<number, string[]>} */
    this.free = new Map();
    this.count = 0;
  }

  /** @param {string} text */
  line(text) {
    this.lines.push(text);
  }

  /** @param {number} width */
  array(width) {
    const n = Math.ceil(width / 4);
    const found = this.free.get(n)?.pop();
    if (found) return found;
    this.line(`vec4 v${this.count}[${n}];`);
    return `v${this.count++}`;
  }

  /** @param {Value} value */
  release({ name, width }) {
    const n = Math.ceil(width / 4);
    this.free.set(n, [...(this.free.get(n) ?? []), name]);
  }

  /** A statement for each 4-vector. @param {number} width @param {(j: string) => string} text */
  each(width, text) {
    const n = Math.ceil(width / 4);
    this.line(n === 1 ? text("0") : `for (int j = 0; j < ${n}; j++) ${text("j")}`);
  }

  /** The 4-vector j of a row of numbers, as text. @param {Float32Array} values @returns {(j: string) => string} */
  columns(values) {
    if (values.every((value) => value === values[0])) return () => number(values[0]);
    const from = this.store(values);
    return (j) => `at(${from} + ${j})`;
  }

  /** The place of numbers, of which the last 4-vector is filled up with 0. @param {Float32Array} values */
  store(values) {
    const place = this.size;
    this.blocks.push(values);
    this.size += Math.ceil(values.length / 4);
    return place;
  }

  /** All numbers, in whole rows of the texture. */
  numbers() {
    const out = new Float32Array(4 * ROW * Math.max(1, Math.ceil(this.size / ROW)));
    let at = 0;
    for (const block of this.blocks) {
      out.set(block, at);
      at += 4 * Math.ceil(block.length / 4);
    }
    return out;
  }
}
