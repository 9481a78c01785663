/** Shaders of fields: their text, their limits, and the choice between a shader and the processor. */
import assert from "node:assert/strict";
import test, { mock } from "node:test";
import { UnsupportedError } from "../src/errors.js";
import { evaluate } from "../src/field/evaluate.js";
import { Evaluator, TOLERANCE } from "../src/field/evaluator.js";
import { ROW, shaderOf } from "../src/field/shader.js";
import { FieldShader } from "../src/field_shader.js";

/** @typedef {import("../src/internal.js").Op} Op */
const input = { op: "input", inputs: [], width: 2 };
const ones = (/** @type {number} */ n) => new Float32Array(n).fill(1);
/** @param {number} width @param {number} k @param {number} from The op that it reads. */
const dense = (width, k, from = 0) => ({ op: "dense", width, inputs: [from], weight: ones(width * k), bias: ones(width) });
/** @param {Partial<Op>} given */
const grid = (given) => ({
  ...{ op: "grid", width: 2, inputs: [0], table: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), scale: [3, 2], start: 0.5 },
  ...{ stride: [1, 4], factor: [1, 2654435761], entries: [4], offset: [0], isHashed: [false], isSmooth: false, ...given },
});

test("numbers of a dense layer are the columns of four rows, then the biases", () => {
  const weight = Float32Array.from({ length: 10 }, (_, i) => i);
  const { text, numbers } = shaderOf([input, { op: "dense", width: 5, inputs: [0], weight, bias: Float32Array.of(9, 8, 7, 6, 5) }, dense(3, 5, 1)]);
  const columns = [[0, 2, 4, 6], [1, 3, 5, 7], [0, 0, 0, 0], [0, 0, 0, 0], [8, 0, 0, 0], [9, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]];
  assert.deepEqual([...numbers.subarray(0, 40)], [...columns.flat(), 9, 8, 7, 6, 5, 0, 0, 0]);
  assert.equal(numbers.length, 4 * ROW);
  assert.match(text, /for \(int j = 0; j < 2; j\+\+\) \{\nvec4 s = at\(8 \+ j\);\nfor \(int k = 0; k < 1; k\+\+\)/);
});

/** What each op is in a shader, behind a layer of width 5. @type {[string, Omit<Op, "inputs" | "width">, RegExp][]} */
const ELEMENTWISE = [
  ["sin", { op: "map", function: "sin" }, /v1\[j\] = sine\(v1\[j\], 0\.0\);/],
  ["cos", { op: "map", function: "cos" }, /v1\[j\] = sine\(v1\[j\], 0\.5\);/],
  ["tanh", { op: "map", function: "tanh" }, /v1\[j\] = tanh\(clamp\(v1\[j\], -15\.0, 15\.0\)\);/],
  ["abs", { op: "map", function: "abs" }, /v1\[j\] = abs\(v1\[j\]\);/],
  ["relu", { op: "map", function: "relu" }, /v1\[j\] = max\(v1\[j\], 0\.0\);/],
  ["clamp", { op: "clamp", low: 0, high: 1 }, /v1\[j\] = clamp\(v1\[j\], 0\.0, 1\.0\);/],
  ["affine of equal numbers", { op: "affine", scale: ones(5).fill(30), shift: ones(5).fill(0.5) }, /v1\[j\] \* 30\.0 \+ 0\.5;/],
  ["affine of others", { op: "affine", scale: Float32Array.of(1, 2, 3, 4, 5), shift: ones(5) }, /v1\[j\] \* at\(10 \+ j\) \+ 1\.0;/],
];
for (const [name, op, wanted] of ELEMENTWISE) {
  test(`${name} is done in place`, () => {
    const { text } = shaderOf([input, dense(5, 2), { ...op, width: 5, inputs: [1] }, dense(3, 5, 2)]);
    assert.match(text, /vec4 v1\[2\];/);
    assert.match(text, wanted);
  });
}

test("a value that is read again is kept, and arrays are used again when they are not", () => {
  const ops = [input, dense(5, 2), { op: "map", function: "abs", width: 5, inputs: [1] }];
  ops.push({ op: "join", function: "multiply", width: 5, inputs: [2, 1] }, dense(6, 5, 3), dense(3, 6, 4));
  const { text } = shaderOf(ops);
  assert.match(text, /v2\[j\] = abs\(v1\[j\]\);\nfor \(int j = 0; j < 2; j\+\+\) v2\[j\] = v2\[j\] \* v1\[j\];/);
  assert.match(text, /v1\[j\] = s;[^]*value = v0\[0\];/);
  assert.doesNotMatch(text, /vec4 v3/);
  assert.match(shaderOf([input, dense(3, 2), { op: "join", function: "add", width: 3, inputs: [1, 1] }]).text, /v1\[0\] = v1\[0\] \+ v1\[0\];/);
});

test("parts are joined by whole vectors where they begin with one, else by components", () => {
  const ops = [input, dense(4, 2), dense(3, 2), dense(2, 2), { op: "concat", width: 9, inputs: [1, 2, 3] }, dense(1, 9, 4)];
  const { text } = shaderOf(ops);
  assert.match(text, /v4\[2\] = vec4\(0\.0\);\nv4\[0 \+ 0\] = v1\[0\];\nv4\[1 \+ 0\] = v2\[0\];/);
  assert.match(text, /for \(int c = 0, i = 7; c < 2; c\+\+, i\+\+\) v4\[i >> 2\]\[i & 3\] = v3\[c >> 2\]\[c & 3\];/);
});

test("rows of a grid are read by hash or by steps, and none lies in two vectors", () => {
  const plain = shaderOf([input, grid({})]);
  assert.match(plain.text, /uint r = \(\(q0 \* 1u \+ q1 \* 4u\) % 4u\) \+ 0u;/);
  assert.match(plain.text, /s\.xy \+= u \* \(\(r & 1u\) == 0u \? e\.xy : e\.zw\);/);
  assert.deepEqual([...plain.numbers.subarray(0, 9)], [1, 2, 3, 4, 5, 6, 7, 8, 0]);
  const hashed = shaderOf([input, grid({ isHashed: [true], isSmooth: true })]);
  assert.match(hashed.text, /uint r = \(\(q0 \* 1u \^ q1 \* 2654435761u\) & 3u\) \+ 0u;/);
  assert.match(hashed.text, /t1 = t1 \* t1 \* \(3\.0 - 2\.0 \* t1\);/);
  const table = Float32Array.from({ length: 12 }, (_, i) => i + 1);
  const three = shaderOf([input, grid({ width: 3, table })]);
  assert.deepEqual([...three.numbers.subarray(0, 8)], [1, 2, 3, 0, 4, 5, 6, 0]);
  assert.match(three.text, /s \+= u \* at\(i\);[^]*v1\[0\]\.z = s\.z;/);
  const six = shaderOf([input, grid({ width: 6, table: ones(24) }), dense(3, 6, 1)]);
  assert.match(six.text, /z \+= u \* at\(i \+ 1\);[^]*v1\[1\]\.y = z\.y;/);
  assert.match(shaderOf([input, grid({ width: 1, table: ones(4) })]).text, /s\.x \+= u \* at\(i\)\[r & 3u\];/);
});

/** What no shader evaluates. @type {[string, Op[], RegExp][]} */
const REFUSED = [
  ["an op that it does not have", [input, { op: "cosines", inputs: [0], width: 1 }], /no op cosines/],
  ["a function that it does not have", [input, { op: "map", function: "sqrt", inputs: [0], width: 2 }], /no op sqrt/],
  ["five channels", [input, dense(5, 2)], /2 coordinates and 5 channels/],
  ["five coordinates", [{ ...input, width: 5 }, dense(1, 5)], /5 coordinates/],
  ["a wide layer", [input, dense(1025, 2), dense(1, 1025, 1)], /1025 numbers side by side/],
  ["values that may be infinite", [input, { ...dense(3, 2), weight: ones(6).fill(1e30) }], /too large/],
  ["what is not a number", [input, { ...dense(3, 2), bias: Float32Array.of(0, NaN, 1) }], /too large/],
  ["a table that is not finite", [input, grid({ table: Float32Array.of(1, NaN, 1, 1, 1, 1, 1, 1) })], /too large/],
  ["an angle without digits", [input, { ...dense(3, 2), weight: ones(6).fill(1e5) }, { op: "map", function: "sin", inputs: [1], width: 3 }], /too large/],
];
for (const [name, ops, reason] of REFUSED) {
  test(`a shader refuses ${name}`, () => {
    assert.throws(() => shaderOf(ops), (/** @type {Error} */ error) => error instanceof UnsupportedError && reason.test(error.message));
  });
}

/** A field whose values are known. */
const FLAT = [input, { ...dense(1, 2), weight: new Float32Array(2), bias: Float32Array.of(0.25) }];
const MANY = 1e9;
/** Milliseconds of a clock that goes on when it is read: each block on the processor takes one. */
let clock = 0;
mock.method(performance, "now", () => ++clock);

/** In place of a shader: constant values, after a time.
 * @param {{off?: number, ms?: number, failsAfter?: number}} given */
function fake({ off = 0, ms = 0, failsAfter = Infinity }) {
  const found = { made: 0, calls: 0, ended: 0, coordinates: 2 };
  return Object.assign(found, {
    make: () => (found.made++, found),
    /** @param {Float32Array} _ @param {number} n */
    evaluate(_, n) {
      if (found.calls++ >= failsAfter) throw new UnsupportedError("it failed");
      clock += ms;
      return new Float32Array(n).fill(0.25 + off);
    },
    end: () => found.ended++,
  });
}

/** Takes blocks until the choice has been made.
 * @param {Evaluator} field @param {number} [blocks] After it. */
function work(field, blocks = 3) {
  const values = [];
  for (let i = 0; i < 200 && blocks > 0; i++) {
    if (!field.isOpen) blocks--;
    const n = field.block;
    values.push(...field.at(new Float32Array(2 * n), n));
  }
  assert.equal(field.isOpen, false);
  return values;
}

/** @param {ReturnType<typeof fake>} shader @param {import("../src/types.js").Evaluation} [way] @param {number} [total] */
const evaluatorOf = (shader, way = "auto", total = MANY) => new Evaluator(FLAT, total, way, /** @type {any} */ (shader.make));

test("a shader that is faster and right takes over, and its blocks grow", () => {
  const shader = fake({ off: TOLERANCE / 2 });
  const field = evaluatorOf(shader);
  const before = field.block;
  const values = work(field);
  assert.deepEqual([field.way, shader.made, shader.ended], ["shader", 1, 0]);
  assert.ok(field.block > 1024 && before <= 1024);
  assert.ok(values.every((value) => Math.abs(value - 0.25) < TOLERANCE));
  field.end();
  assert.equal(shader.ended, 1);
});

for (const [name, given] of Object.entries({ wrong: { off: 2 * TOLERANCE }, "not finite": { off: NaN }, slower: { ms: 9 }, broken: { failsAfter: 0 } })) {
  test(`a shader that is ${name} is not used`, () => {
    const shader = fake(given);
    const field = evaluatorOf(shader);
    assert.ok(work(field).every((value) => value === 0.25));
    assert.deepEqual([field.way, shader.made, shader.ended], ["cpu", 1, name === "broken" ? 0 : 1]);
  });
}

test("the processor goes on when a shader fails later", () => {
  const shader = fake({ failsAfter: 4 });
  const field = evaluatorOf(shader);
  assert.ok(work(field, 4).every((value) => value === 0.25));
  assert.equal(field.way, "cpu");
  assert.ok(field.block <= 1024);
});

test("a rest that is short is left to the processor, and so is everything if that is forced", () => {
  const shader = fake({});
  work(evaluatorOf(shader, "auto", 1));
  work(evaluatorOf(shader, "cpu"));
  assert.equal(shader.made, 0);
});

test("a shader that is forced works at once, or says why it cannot", () => {
  const shader = fake({ failsAfter: 2 });
  const field = evaluatorOf(shader, "shader");
  assert.equal(field.at(new Float32Array(2), 1)[0], 0.25);
  assert.throws(() => field.at(new Float32Array(2), 1), /it failed/);
  assert.throws(() => evaluatorOf(fake({ off: 1e-3 }), "shader"), /differ by 0\.00/);
  assert.throws(() => new Evaluator(FLAT, 1, "shader"), /no WebGL 2 here/);
  assert.throws(() => new FieldShader(FLAT, true), UnsupportedError);
  assert.throws(() => evaluatorOf(shader, /** @type {any} */ ("gpu")), /evaluation is gpu, expected one of auto, shader, cpu/);
});

test("without WebGL a field is evaluated by the processor", () => {
  const field = new Evaluator(FLAT, MANY);
  assert.deepEqual(work(field).slice(0, 5), [...evaluate(FLAT, new Float32Array(10), 5)]);
  assert.equal(field.way, "cpu");
});
