/** Limits of the decoder: every size that a file states is checked before memory is allocated. */
import { FormatError } from "./errors.js";

/** Those of FORMAT.md, except for `work`, because a browser computes for seconds and not for hours. */
const DEFAULTS = Object.freeze({
  file_bytes: 2 ** 31 - 1,
  samples: 2 ** 28,
  parameters: 2 ** 26,
  symbols: 2 ** 28,
  layers: 64,
  width: 4096,
  levels: 32,
  table: 2 ** 24,
  tensors: 4096,
  meta_bytes: 2 ** 16,
  icc_bytes: 2 ** 22,
  expansion_bytes: 2 ** 28,
  work: 2 ** 38,
});

/** Bytes of output, as float32, that are accepted for each byte of a file even above `expansion_bytes`. */
export const EXPANSION = 2 ** 16;

export class Limits {
  /** @param {Partial<import("./types.js").LimitValues>} [given] */
  constructor(given = {}) {
    for (const name of Object.keys(given)) {
      if (!(name in DEFAULTS)) throw new TypeError(`unknown limit ${name}`);
    }
    /** @type {import("./types.js").LimitValues} */
    this.values = { ...DEFAULTS, ...given };
  }

  /** The value. FormatError if it exceeds the limit of this name.
   * @param {keyof import("./types.js").LimitValues} name @param {number} value */
  check(name, value) {
    const limit = this.values[name];
    if (!(value <= limit)) {
      throw new FormatError(`the file needs ${value} ${name.replace("_", " ")}, the limit is ${limit}`);
    }
    return value;
  }
}
