/** The header: a signal without its values (FORMAT.md, section 2). */
import { FormatError } from "./errors.js";
import { Reader } from "./reader.js";

const LARGEST = 3.5e38;
const SMALLEST = 1e-45;
const DTYPES = [
  ...["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"],
  ...["float16", "float32", "float64"],
];

/** @param {Uint8Array} data @param {import("./limits.js").Limits} limits
 * @returns {import("./internal.js").Header} */
export function readHeader(data, limits) {
  const reader = new Reader(data, "the header");
  const kind = reader.u8(0, KINDS.length - 1);
  const [name, read] = KINDS[kind];
  const header = { kind: name, ...read(reader) };
  reader.end();
  const samples = header.shape.length ? header.shape.reduce((a, b) => a * b, header.channels) : 0;
  limits.check("samples", samples);
  return { ...header, samples };
}

/** @typedef {Omit<import("./internal.js").Header, "kind" | "samples">} Fields */

/** @type {[string, (reader: Reader) => Fields][]} */
const KINDS = [
  ["image", readImage],
  ["audio", readAudio],
  ["shape", readShape],
  ["points", readPoints],
  ["array", readArray],
  ["video", readVideo],
  ["unsigned", readUnsigned],
  ["slices", readPoints],
];

/** @param {number} n @param {number} value */
function all(n, value) {
  return new Array(n).fill(value);
}

/** The offset of each channel, then the scale of each.
 * @param {Reader} reader @param {number} channels */
function readMap(reader, channels) {
  const offset = all(channels, 0).map(() => reader.f64(-LARGEST, LARGEST));
  return { offset, scale: all(channels, 0).map(() => reader.f64(SMALLEST, LARGEST)) };
}

/** @param {Reader} reader */
function readImage(reader) {
  const shape = [reader.varint(1), reader.varint(1)];
  const packed = reader.u8();
  const channels = packed & 15;
  const depth = [8, 16, 32][packed >> 4];
  if (!depth || channels < 1 || channels > 4) throw new FormatError(`the header's pixel type is ${packed}`);
  const map = depth === 32 ? readMap(reader, channels) : { offset: all(channels, 0.5), scale: all(channels, 0.5) };
  return { shape, channels, ...map, low: [0, 0], extent: shape, depth };
}

/** @param {Reader} reader */
function readAudio(reader) {
  const shape = [reader.varint(1)];
  const channels = reader.varint(1, 256);
  const rate = reader.varint(1, 2 ** 31 - 1);
  const packed = reader.u8();
  if ((packed & 127) > 8) throw new FormatError(`the header's subtype is ${packed}`);
  if (packed > 127) reader.varint();
  const scale = all(channels, reader.f32(SMALLEST, LARGEST));
  return { shape, channels, offset: all(channels, 0), scale, low: [0], extent: [shape[0] / rate], rate };
}

/** @param {Reader} reader */
function readBox(reader) {
  const low = all(3, 0).map(() => reader.f64(-LARGEST, LARGEST));
  const side = reader.f64(SMALLEST, LARGEST);
  if (low.some((a) => a + side <= a)) throw new FormatError("the header's box has no size");
  return { shape: [], channels: 1, offset: [0], scale: [side], low, extent: all(3, side) };
}

/** @param {Reader} reader */
function readShape(reader) {
  const box = readBox(reader);
  reader.u8(0, 3);
  return box;
}

/** @param {Reader} reader */
function readUnsigned(reader) {
  const box = readBox(reader);
  return { ...box, softening: reader.f64(SMALLEST, 1) };
}

/** @param {Reader} reader */
function readPoints(reader) {
  const box = readBox(reader);
  reader.varint(1);
  return box;
}

/** @param {Reader} reader */
function readArray(reader) {
  const shape = all(reader.u8(1, 4), 0).map(() => reader.varint(1));
  const channels = reader.varint(1, 256);
  if (reader.u8(0, 1) < 1 && channels > 1) throw new FormatError("the header's array has no axis for its channels");
  const dtype = DTYPES[reader.u8(0, DTYPES.length - 1)];
  const lowest = reader.f64(-LARGEST, LARGEST);
  if (lowest > reader.f64(-LARGEST, LARGEST)) throw new FormatError("the header's range is empty");
  return { shape, channels, ...readMap(reader, channels), low: all(shape.length, 0), extent: shape, dtype };
}

/** @param {Reader} reader */
function readVideo(reader) {
  const shape = [reader.varint(1), reader.varint(1), reader.varint(1)];
  const channels = reader.u8(1, 3);
  if (channels === 2) throw new FormatError("the header's video has 2 channels");
  const rate = reader.f64(1e-6, 1e6);
  return { shape, channels, offset: all(channels, 0.5), scale: all(channels, 0.5), low: all(3, 0), extent: shape, rate };
}
