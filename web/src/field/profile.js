/** Profiles 1 and 2: the parameters of a field, and of grids with a context of neighbours. */
import { checkDigest, hex, littleEndian, Sha256 } from "../checksums.js";
import { FormatError } from "../errors.js";
import { Reader } from "../reader.js";
import { readStep, readTensors } from "../tensors.js";
import { readPlanes, sizesOf } from "./context_model.js";
import { outlines } from "./family.js";
import { readSettings } from "./settings.js";
import { signalOf } from "./signals.js";
import { MODELS } from "./tensor_models.js";

/** The profile's number in files. */
const GRIDS = 2;
/** Numbers whose bytes are hashed at once. */
const PART = 2 ** 16;

/** @typedef {import("../types.js").DecodedSignal & import("../types.js").Digest & import("../types.js").Evaluated} Found */

/** Checks everything that the file states, and returns what decodes it step by step.
 * @param {import("../internal.js").Header} header @param {import("../internal.js").Container} container
 * @param {import("../limits.js").Limits} limits @param {import("../types.js").DecodeOptions} options
 * @returns {() => Generator<void, Found, void>} */
export function planField(header, container, limits, { evaluation }) {
  const config = readSettings(new Reader(container.arch, "the architecture"), header, limits);
  const isGrids = container.profile === GRIDS;
  const candidates = outlines(config, header);
  for (const { tensors } of candidates) {
    /** @param {(tensor: import("../internal.js").FieldTensor) => number} count */
    const sum = (count) => tensors.reduce((n, tensor) => n + count(tensor), 0);
    limits.check("parameters", sum(({ size }) => size));
    limits.check("symbols", sum((tensor) => specsOf(tensor, isGrids).reduce((n, { size }) => n + size, 0)));
    limits.check("work", sum(({ size, isTable }) => (isTable ? 0 : size)) * Math.max(1, header.samples / header.channels));
  }
  return () => decode(header, container, limits, candidates, isGrids, evaluation);
}

/** @param {import("../internal.js").FieldTensor} tensor @param {boolean} isGrids
 * @returns {import("../internal.js").TensorSpec[]} */
function specsOf({ size, planes }, isGrids) {
  if (!isGrids || !planes) return [{ size, isOwn: false }];
  return [...sizesOf(planes.kind).map((n) => ({ size: n, isOwn: false })), { size, isOwn: true }];
}

/** @param {import("../internal.js").Header} header @param {import("../internal.js").Container} container
 * @param {import("../limits.js").Limits} limits @param {ReturnType<typeof outlines>} candidates @param {boolean} isGrids
 * @param {import("../types.js").Evaluation} [way] @returns {Generator<void, Found, void>} */
function* decode(header, container, limits, candidates, isGrids, way) {
  let refusal;
  for (const { tensors, program } of candidates) {
    try {
      const { values, digest } = yield* readField(container, limits, tensors, isGrids);
      return { ...(yield* signalOf(header, program(values), way)), symbolsSha256: hex(digest) };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      refusal ??= error;
    }
  }
  throw refusal;
}

/** The values of a field's tensors.
 * @param {import("../internal.js").Container} container @param {import("../limits.js").Limits} limits
 * @param {import("../internal.js").FieldTensor[]} tensors @param {boolean} isGrids
 * @returns {Generator<void, {values: Map<string, Float32Array>, digest: Uint8Array}, void>} */
function* readField(container, limits, tensors, isGrids) {
  const specs = tensors.flatMap((tensor) => specsOf(tensor, isGrids));
  const found = yield* readTensors(specs, container.table, container.data, limits, MODELS);
  const read = found[Symbol.iterator]();
  const next = () => /** @type {import("../internal.js").Tensor} */ (read.next().value);
  const hash = new Sha256();
  const values = new Map();
  for (const tensor of tensors) {
    const first = next();
    const isOwn = isGrids && tensor.planes;
    const { symbols, step } = isOwn ? yield* readLatents(tensor, first.symbols, next().symbols, next().own) : first;
    for (let at = 0; at < symbols.length; at += PART) {
      hash.update(littleEndian(symbols.subarray(at, at + PART)));
      yield;
    }
    values.set(tensor.name, Float32Array.from(symbols, (q) => q * step));
  }
  const digest = hash.digest();
  checkDigest(digest, container.hash);
  return { values, digest };
}

/** The latents of a lattice in the order of their tensor; rows of a table beyond its vertices are zero.
 * @param {import("../internal.js").FieldTensor} tensor @param {Int32Array} means @param {Int32Array} scales
 * @param {Uint8Array} own @returns {Generator<void, {symbols: Int32Array, step: number}, void>} */
function* readLatents({ size, planes }, means, scales, own) {
  const { kind, shape, planeStride, placeStride, inner } = /** @type {import("../internal.js").Planes} */ (planes);
  const reader = new Reader(own, "a stream of latents");
  const step = readStep(reader);
  const found = yield* readPlanes(kind, shape, means, scales, reader.rest());
  const symbols = new Int32Array(size);
  const perPlane = found.length / shape[0];
  for (let plane = 0, from = 0; plane < shape[0]; plane++) {
    for (let place = 0; place < perPlane / inner; place++) {
      const to = plane * planeStride + place * placeStride;
      for (let k = 0; k < inner; k++) symbols[to + k] = found[from++];
    }
  }
  return { symbols, step };
}
