/** The integers of a pyramid's networks: tensors of a group share a step of 2^-bits and a scale. */
import { FormatError } from "../errors.js";
import { RangeDecoder } from "../range_decoder.js";
import { Reader } from "../reader.js";
import { baseOf } from "./architecture.js";

const LARGEST = 2 ** 16;
const LARGEST_CONTEXT_WEIGHT = 2 ** 15;
const MOST_BITS = 16;
/** The groups of the first form, in the order of the file. */
const FIRST_GROUPS = ["context.weight", "context.bias", "kernel", "synthesis.weight", "synthesis.bias"];
/** Scale index from which the lowest bits of a symbol are coded as such, in the second form. */
const SPLIT = 144;

/** @param {import("./architecture.js").Architecture} architecture @param {Uint8Array} data
 * @returns {import("../internal.js").Networks} */
export function readNetworks(architecture, data) {
  const { isFirstForm, tensors } = architecture;
  const reader = new Reader(data, "the networks");
  /** @type {Map<string, { bits: number, mean: number, scale: number, shift: number }>} */
  const groups = new Map();
  if (isFirstForm) {
    for (const name of FIRST_GROUPS) {
      groups.set(name, { bits: reader.u8(0, MOST_BITS), mean: 0, scale: reader.u8(), shift: 0 });
    }
  }
  const stream = new RangeDecoder(reader.rest());
  if (!isFirstForm) {
    for (const name of new Set(tensors.map((tensor) => tensor.group))) {
      const bits = stream.bits(4);
      const scale = 32 + 4 * stream.bits(6);
      const shift = Math.max(0, (scale - SPLIT) >> 4);
      groups.set(name, { bits, mean: (128 >> shift) - 128, scale: scale - 16 * shift, shift });
    }
  }
  /** @type {Map<string, Int32Array>} */
  const integers = new Map();
  /** @type {Map<string, number>} */
  const bits = new Map();
  for (const { name, size, group } of tensors) {
    const model = /** @type {NonNullable<ReturnType<typeof groups.get>>} */ (groups.get(group));
    const values = new Int32Array(size);
    for (let i = 0; i < size; i++) {
      const high = stream.symbol(model.mean, model.scale) * 2 ** model.shift;
      const value = high + (model.shift ? stream.bits(model.shift) : 0) + baseOf(name, i, model.bits);
      if (Math.abs(value) > LARGEST) throw new FormatError("a network weight is out of range");
      values[i] = value;
    }
    integers.set(name, values);
    bits.set(name, model.bits);
  }
  stream.end();
  return { bits, integers, context: contextOf(architecture, bits, integers) };
}

/** The integers of the context model: its weights in the finest of their steps.
 * @param {import("./architecture.js").Architecture} architecture @param {Map<string, number>} bits
 * @param {Map<string, Int32Array>} integers @returns {import("../internal.js").ContextIntegers} */
function contextOf(architecture, bits, integers) {
  const names = [...integers.keys()].filter((name) => /^(context|mix)/.test(name));
  const weights = names.filter((name) => !name.endsWith("bias"));
  /** @param {string} name */
  const bitsOf = (name) => /** @type {number} */ (bits.get(name));
  const weightBits = Math.max(...weights.map(bitsOf));
  const tensors = new Map(names.map((name) => [name, /** @type {Int32Array} */ (integers.get(name))]));
  if (!architecture.isFirstForm) {
    for (const name of weights) {
      const own = /** @type {Int32Array} */ (integers.get(name));
      const unit = 2 ** (weightBits - bitsOf(name));
      if (own.some((value) => Math.abs(value) * unit > LARGEST_CONTEXT_WEIGHT)) {
        throw new FormatError("a weight of the context model is out of range");
      }
      tensors.set(name, own.map((value) => value * unit));
    }
  }
  return { tensors, weightBits, biasBits: bitsOf("context0.bias") };
}
