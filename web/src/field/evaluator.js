/** Where a field is evaluated: on the processor or by a shader. */
import { UnsupportedError } from "../errors.js";
import { FieldShader, MOST_POINTS } from "../field_shader.js";
import { now, TURN } from "../turns.js";
import { blockOf, evaluate } from "./evaluate.js";

/** Largest mean difference of the shader's values from the processor's, in training units, at points where both are known.
 * A pixel of 8 bits is 2 / 255 wide, so about one value of 2000 is then rounded to another pixel. */
export const TOLERANCE = 4e-6;
/** Points of that comparison, and of the measurement of time. */
const CHECKED = 256;
const TIMED = 2048;
/** Fewest points of a block of a shader, and those of its first. */
const LEAST = 256;
const FIRST = 1024;
/** Milliseconds of evaluation on the processor that tell how long the rest would take, and of a rest that is worth a shader. */
const TRIAL = 30;
const WORTH = 500;

const WAYS = ["auto", "shader", "cpu"];

/** Evaluates one field, block by block.
 *
 * `auto` chooses by what is measured. It begins on the processor. If the rest would take longer than a compilation is worth,
 * and if a worker does the work (a page would wait for the compiler), a shader is made where there is a graphics processor; a
 * program that simulates one on the processor is slower than WebAssembly. The shader takes over if its values are the
 * processor's within TOLERANCE and its first points are faster. When it fails later, the processor goes on. `shader` skips
 * the choice but not the comparison, and gives an UnsupportedError instead of the processor's values. */
export class Evaluator {
  /** @param {import("../internal.js").Op[]} ops @param {number} total Points to come.
   * @param {import("../types.js").Evaluation} way
   * @param {(ops: import("../internal.js").Op[], mayBeSlow: boolean) => FieldShader} make */
  constructor(ops, total, way = "auto", make = (...given) => new FieldShader(...given)) {
    if (!WAYS.includes(way)) throw new UnsupportedError(`evaluation is ${way}, expected one of ${WAYS.join(", ")}`);
    this.ops = ops;
    this.left = total;
    this.make = make;
    /** Points that `at` takes. */
    this.block = blockOf(ops);
    this.isForced = way === "shader";
    this.isOpen = way === "auto" && typeof document === "undefined";
    /** Points that the processor has evaluated, and its milliseconds. */
    this.done = 0;
    this.ms = 0;
    /** @type {FieldShader | null} */
    this.shader = null;
    if (this.isForced) this.begin(this.checked());
  }

  /** Where the last values came from. @returns {"shader" | "cpu"} */
  get way() {
    return this.shader ? "shader" : "cpu";
  }

  /** The values [n, C] at points [n, D], n <= block.
   * @param {Float32Array} points @param {number} n */
  at(points, n) {
    this.left -= n;
    const since = now();
    if (this.shader) return this.drawn(this.shader, points, n, since);
    const values = evaluate(this.ops, points, n);
    this.ms += now() - since;
    this.done += n;
    if (this.isOpen && this.ms >= TRIAL) this.choose();
    return values;
  }

  /** Gives back what the graphics processor holds. */
  end() {
    this.shader?.end();
  }

  choose() {
    this.isOpen = false;
    const rest = (this.ms / this.done) * this.left;
    if (rest < WORTH) return;
    try {
      const shader = this.checked();
      const points = spread(TIMED, shader.coordinates);
      const since = now();
      shader.evaluate(points, TIMED);
      if (((now() - since) / TIMED) * this.left < rest) this.begin(shader);
      else shader.end();
    } catch {
      // Whatever prevents the shader, the processor goes on.
    }
  }

  /** @param {FieldShader} shader */
  begin(shader) {
    this.shader = shader;
    this.block = FIRST;
  }

  /** A shader that gives the processor's values. */
  checked() {
    const shader = this.make(this.ops, this.isForced);
    const points = spread(CHECKED, this.ops[0].width);
    const found = shader.evaluate(points, CHECKED);
    const wanted = this.onProcessor(points, CHECKED);
    const difference = wanted.reduce((sum, value, i) => sum + Math.abs(value - found[i]), 0) / wanted.length;
    if (difference <= TOLERANCE) return shader;
    shader.end();
    throw new UnsupportedError(`the shader's values differ by ${difference}, accepted are ${TOLERANCE}`);
  }

  /** Blocks become larger as long as they take less than a turn of the page.
   * @param {FieldShader} shader @param {Float32Array} points @param {number} n @param {number} since */
  drawn(shader, points, n, since) {
    try {
      const values = shader.evaluate(points, n);
      const ms = now() - since;
      if (ms > TURN) this.block = Math.max(LEAST, this.block / 2);
      else if (ms < TURN / 3) this.block = Math.min(MOST_POINTS, 2 * this.block);
      return values;
    } catch (error) {
      if (this.isForced) throw error;
      this.shader = null;
      this.block = blockOf(this.ops);
      return this.onProcessor(points, n);
    }
  }

  /** @param {Float32Array} points @param {number} n Any number. */
  onProcessor(points, n) {
    const [d, block] = [this.ops[0].width, blockOf(this.ops)];
    const out = new Float32Array(n * this.ops[this.ops.length - 1].width);
    for (let at = 0; at < n; at += block) {
      const count = Math.min(block, n - at);
      out.set(evaluate(this.ops, points.subarray(at * d, (at + count) * d), count), (at * out.length) / n);
    }
    return out;
  }
}

/** Points that fill the unit box evenly: multiples of powers of an irrational number.
 * @param {number} n @param {number} d */
function spread(n, d) {
  return Float32Array.from({ length: n * d }, (_, i) => ((Math.floor(i / d) + 1) * 0.7548776662466927 ** ((i % d) + 1)) % 1);
}
