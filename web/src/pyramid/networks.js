/** The integers of a pyramid's networks: tensors of a group share a step of 2^-bits and a scale index. */
import { FormatError } from "../errors.js";
import { RangeDecoder } from "../range_decoder.js";
import { Reader } from "../reader.js";
import { baseOf } from "./architecture.js";

const LARGEST = 2 ** 16;
const MOST_BITS = 16;
const GROUPS = 5;

/** @param {import("./architecture.js").Architecture} architecture @param {Uint8Array} data
 * @returns {import("../internal.js").Networks} */
export function readNetworks(architecture, data) {
  const reader = new Reader(data, "the networks");
  const groups = Array.from({ length: GROUPS }, () => ({ bits: reader.u8(0, MOST_BITS), scale: reader.u8() }));
  const stream = new RangeDecoder(reader.rest());
  /** @type {Map<string, Int32Array>} */
  const integers = new Map();
  for (const { name, size, group } of architecture.tensors) {
    const { bits, scale } = groups[group];
    const values = new Int32Array(size);
    for (let i = 0; i < size; i++) {
      const value = stream.symbol(0, scale) + baseOf(name, i, bits);
      if (Math.abs(value) > LARGEST) throw new FormatError("a network weight is out of range");
      values[i] = value;
    }
    integers.set(name, values);
  }
  stream.end();
  return { bits: groups.map((group) => group.bits), integers };
}
