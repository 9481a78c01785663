/** Integer tensors: a table with a record for each, and one stream for all of them (FORMAT.md, section 5). */
import { FormatError } from "./errors.js";
import { RangeDecoder } from "./range_decoder.js";
import { Reader } from "./reader.js";

const OWN = 4;
/** Symbols after which a page may have a turn. */
const PART = 4096;

/** Reads the parameters of a kind of record, and returns what fills arrays from a stream, the parts of a tensor in their order.
 * @typedef {(reader: Reader) => (stream: RangeDecoder, out: Int32Array) => void} Model */

/** The tensors of a file: symbols and steps, and the bytes of those that the profile codes itself.
 * @param {import("./internal.js").TensorSpec[]} specs @param {Uint8Array} table @param {Uint8Array} data
 * @param {import("./limits.js").Limits} limits @param {Model[]} models By the number of their kind; pyramids have none.
 * @returns {Generator<void, import("./internal.js").Tensor[], void>} */
export function* readTensors(specs, table, data, limits, models) {
  limits.check("tensors", specs.length);
  limits.check("symbols", specs.reduce((sum, spec) => sum + spec.size, 0));
  const reader = new Reader(table, "the table");
  const shared = reader.varint(0, data.length);
  const records = specs.map((spec) => readRecord(reader, spec, data.length, models));
  reader.end();
  const all = records.reduce((sum, record) => sum + record.bytes, shared);
  if (all !== data.length) throw new FormatError(`the table describes ${all} bytes, the file has ${data.length}`);
  const stream = new RangeDecoder(data.subarray(0, shared));
  let at = shared;
  const found = [];
  for (const [i, { bytes, step, decode }] of records.entries()) {
    at += bytes;
    const own = data.subarray(at - bytes, at);
    const symbols = new Int32Array(decode ? specs[i].size : 0);
    for (let from = 0; decode && from <= symbols.length; from += PART) {
      decode(stream, symbols.subarray(from, from + PART));
      yield;
    }
    found.push({ own, symbols, step });
  }
  stream.end();
  return found;
}

/** A step size: a mantissa and an exponent.
 * @param {Reader} reader */
export function readStep(reader) {
  const mantissa = reader.u8(128);
  return mantissa * 2 ** (reader.i8(-40, 20) - 7);
}

/** @param {Reader} reader @param {import("./internal.js").TensorSpec} spec @param {number} most
 * @param {Model[]} models */
function readRecord(reader, spec, most, models) {
  const kind = reader.u8(0, OWN);
  if ((kind === OWN) !== spec.isOwn) throw new FormatError(`a tensor has kind ${kind}, which is not possible for it`);
  if (kind === OWN) return { bytes: reader.varint(0, most), step: 1, decode: null };
  const step = readStep(reader);
  return { bytes: 0, step, decode: models[kind](reader) };
}
