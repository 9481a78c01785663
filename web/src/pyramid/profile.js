/** Profiles 3 and 4: a picture as grids of integers that predict each other, and a small network that shows them. */
import { hex, Sha256 } from "../checksums.js";
import { FormatError } from "../errors.js";
import { readTensors } from "../tensors.js";
import { Architecture, roundHalfToEven } from "./architecture.js";
import { readLatents } from "./latents.js";
import { readNetworks } from "./networks.js";
import { showPicture } from "./synthesis.js";

/** The profile's number in files of the first form. */
const FIRST_FORM = 3;
/** Numbers whose bytes are hashed at once. */
const PART = 2 ** 16;

/** Checks everything that the file states, and returns what decodes it step by step.
 * @param {import("../internal.js").Header} header @param {import("../internal.js").Container} container
 * @param {import("../limits.js").Limits} limits
 * @returns {() => Generator<void, import("../types.js").DecodedPicture, void>} */
export function planPyramid(header, container, limits) {
  const architecture = new Architecture(header, container.arch, limits, container.profile === FIRST_FORM);
  const size = architecture.tensors.reduce((sum, tensor) => sum + tensor.size, 0);
  const specs = [
    { size, isOwn: true },
    { size: architecture.nLatents, isOwn: true },
  ];
  limits.check("symbols", size + architecture.nLatents);
  limits.check("work", architecture.work);
  return () => decode(header, container, limits, architecture, specs);
}

/** @param {import("../internal.js").Header} header @param {import("../internal.js").Container} container
 * @param {import("../limits.js").Limits} limits @param {Architecture} architecture
 * @param {import("../internal.js").TensorSpec[]} specs
 * @returns {Generator<void, import("../types.js").DecodedPicture, void>} */
function* decode(header, container, limits, architecture, specs) {
  const [first, second] = readTensors(specs, container.table, container.data, limits);
  const networks = readNetworks(architecture, first.own);
  const grids = yield* readLatents(architecture, networks, second.own);
  const hash = new Sha256();
  for (const part of [...networks.integers.values(), ...grids]) {
    for (let at = 0; at < part.length; at += PART) {
      hash.update(littleEndian(part.subarray(at, at + PART)));
      yield;
    }
  }
  const digest = hash.digest();
  checkDigest(digest, container.hash);
  const { width, height, channels, depth, data } = newPicture(header);
  const { offset, scale } = header;
  const most = depth === 16 ? 65535 : 255;
  yield* showPicture(architecture, networks, grids, (y, rows) => {
    for (let c = 0; c < channels; c++) {
      for (let x = 0, at = y * width * channels + c; x < width; x++, at += channels) {
        const value = (2 * rows[c][x] - 1) * scale[c] + offset[c];
        if (!Number.isFinite(value)) throw new FormatError("the file decodes to values that are not finite");
        data[at] = depth === 32 ? value : roundHalfToEven(Math.min(Math.max(value, 0), 1) * most);
      }
    }
  });
  return { kind: "image", width, height, channels, depth, data, symbolsSha256: hex(digest) };
}

/** FormatError unless a file states this digest of its symbols, or its first 16 bytes.
 * @param {Uint8Array} digest @param {Uint8Array} stated */
export function checkDigest(digest, stated) {
  if (stated.some((byte, i) => byte !== digest[i])) {
    throw new FormatError("the decoded symbols differ from the encoded ones");
  }
}

/** @param {import("../internal.js").Header} header */
function newPicture({ shape: [width, height], channels, depth, samples }) {
  const data =
    depth === 8 ? new Uint8ClampedArray(samples) : depth === 16 ? new Uint16Array(samples) : new Float32Array(samples);
  return { width, height, channels, depth: /** @type {8 | 16 | 32} */ (depth), data };
}

/** Symbols as int32, little-endian.
 * @param {Int32Array | Int16Array} symbols */
export function littleEndian(symbols) {
  const view = new DataView(new ArrayBuffer(4 * symbols.length));
  for (let i = 0; i < symbols.length; i++) view.setInt32(4 * i, symbols[i], true);
  return new Uint8Array(view.buffer);
}
