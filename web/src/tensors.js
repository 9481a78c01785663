/** Integer tensors: a table with a record for each, and one stream for all of them (FORMAT.md, section 5). */
import { FormatError } from "./errors.js";
import { damaged, RangeDecoder } from "./range_decoder.js";
import { Reader } from "./reader.js";

const OWN = 4;
const LARGEST = 2 ** 28 - 1;

/** The tensors of a file: symbols and steps, and the bytes of those that the profile codes itself.
 * @param {import("./internal.js").TensorSpec[]} specs @param {Uint8Array} table @param {Uint8Array} data
 * @param {import("./limits.js").Limits} limits
 * @returns {import("./internal.js").Tensor[]} */
export function readTensors(specs, table, data, limits) {
  limits.check("tensors", specs.length);
  limits.check("symbols", specs.reduce((sum, spec) => sum + spec.size, 0));
  const reader = new Reader(table, "the table");
  const shared = reader.varint(0, data.length);
  const records = specs.map((spec) => readRecord(reader, spec, data.length));
  reader.end();
  const all = records.reduce((sum, record) => sum + record.bytes, shared);
  if (all !== data.length) throw new FormatError(`the table describes ${all} bytes, the file has ${data.length}`);
  const stream = new RangeDecoder(data.subarray(0, shared));
  let at = shared;
  const found = records.map((record, i) => {
    at += record.bytes;
    const own = data.subarray(at - record.bytes, at);
    const symbols = new Int32Array(record.decode ? specs[i].size : 0);
    record.decode?.(stream, symbols);
    return { own, symbols, step: record.step };
  });
  stream.end();
  return found;
}

/** A step size: a mantissa and an exponent.
 * @param {Reader} reader */
export function readStep(reader) {
  const mantissa = reader.u8(128);
  return mantissa * 2 ** (reader.i8(-40, 20) - 7);
}

/** @param {Reader} reader @param {import("./internal.js").TensorSpec} spec @param {number} most */
function readRecord(reader, spec, most) {
  const kind = reader.u8(0, OWN);
  if ((kind === OWN) !== spec.isOwn) throw new FormatError(`a tensor has kind ${kind}, which is not possible for it`);
  if (kind === OWN) return { bytes: reader.varint(0, most), step: 1, decode: null };
  const step = readStep(reader);
  return { bytes: 0, step, decode: MODELS[kind](reader) };
}

/** Kinds 0 to 3: each reads its parameters, and returns what fills an array from a stream.
 * @type {((reader: Reader) => (stream: RangeDecoder, out: Int32Array) => void)[]} */
const MODELS = [raw, laplace, inflated, histogram];

/** @param {number} q */
function checked(q) {
  if (Math.abs(q) > LARGEST) throw damaged();
  return q;
}

/** @param {Reader} reader @returns {(stream: RangeDecoder, out: Int32Array) => void} */
function raw(reader) {
  const low = reader.signed(-LARGEST, LARGEST);
  const width = reader.u8(0, 29);
  const upper = width > 16 ? 16 : width;
  return (stream, out) => {
    for (let i = 0; i < out.length; i++) {
      const q = width ? stream.bits(upper) * 2 ** (width - upper) : 0;
      out[i] = checked(low + q + (width > 16 ? stream.bits(width - 16) : 0));
    }
  };
}

/** @param {RangeDecoder} stream @param {number} mu @param {number} s @param {number} shift */
function shifted(stream, mu, s, shift) {
  const upper = stream.symbol(mu, s) * 2 ** shift;
  return checked(upper + (shift ? stream.bits(shift) : 0));
}

/** @param {Reader} reader @returns {(stream: RangeDecoder, out: Int32Array) => void} */
function laplace(reader) {
  const [mu, s, shift] = [reader.signed(-32768, 32768), reader.u8(), reader.u8(0, 16)];
  return (stream, out) => {
    for (let i = 0; i < out.length; i++) out[i] = shifted(stream, mu, s, shift);
  };
}

/** @param {Reader} reader @returns {(stream: RangeDecoder, out: Int32Array) => void} */
function inflated(reader) {
  const [share, s, shift] = [reader.u8(1) * 256, reader.u8(), reader.u8(0, 16)];
  return (stream, out) => {
    for (let i = 0; i < out.length; i++) {
      if (stream.flag(share)) continue;
      const r = shifted(stream, -128, s, shift);
      out[i] = checked(r >= 0 ? r + 1 : r);
    }
  };
}

/** @param {Reader} reader @returns {(stream: RangeDecoder, out: Int32Array) => void} */
function histogram(reader) {
  const [low, order, n] = [reader.signed(-LARGEST, LARGEST), reader.u8(0, 8), reader.u8() + 1];
  return (stream, out) => {
    const sums = [0];
    for (let i = 0; i < n; i++) {
      const weight = stream.golomb(order);
      if (weight > 255) throw damaged();
      sums.push(sums[i] + weight);
    }
    if (!sums[n]) throw damaged();
    const edges = sums.map((sum) => Math.floor((sum * 65536) / sums[n]));
    for (let i = 0; i < out.length; i++) {
      const place = stream.place();
      const event = edges.findIndex((edge) => place < edge) - 1;
      if (event < 0) throw damaged();
      stream.take(edges[event], edges[event + 1] - edges[event]);
      out[i] = checked(low + event);
    }
  };
}
