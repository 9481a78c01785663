/** How the symbols of a tensor are coded (FORMAT.md, section 5). */
import { damaged, RangeDecoder } from "../range_decoder.js";
import { Reader } from "../reader.js";

const LARGEST = 2 ** 28 - 1;

/** Kinds 0 to 3.
 * @type {import("../tensors.js").Model[]} */
export const MODELS = [raw, laplace, inflated, histogram];

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
  /** @type {number[]} Read before the first part. */
  let edges = [];
  return (stream, out) => {
    if (!edges.length) edges = edgesOf(stream, order, n);
    for (let i = 0; i < out.length; i++) {
      const place = stream.place();
      const event = edges.findIndex((edge) => place < edge) - 1;
      if (event < 0) throw damaged();
      stream.take(edges[event], edges[event + 1] - edges[event]);
      out[i] = checked(low + event);
    }
  };
}

/** The starts of n shares, and the end.
 * @param {RangeDecoder} stream @param {number} order Of the weights' code. @param {number} n */
function edgesOf(stream, order, n) {
  const sums = [0];
  for (let i = 0; i < n; i++) {
    const weight = stream.golomb(order);
    if (weight > 255) throw damaged();
    sums.push(sums[i] + weight);
  }
  if (!sums[n]) throw damaged();
  return sums.map((sum) => Math.floor((sum * 65536) / sums[n]));
}
