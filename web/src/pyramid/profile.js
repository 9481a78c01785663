/** Profiles 3 and 4: a picture as grids of integers that predict each other, and a small network that shows them. */
import { checkDigest, hex, littleEndian, Sha256 } from "../checksums.js";
import { FormatError } from "../errors.js";
import { newPicture, toPixel } from "../pixels.js";
import { readTensors } from "../tensors.js";
import { Architecture } from "./architecture.js";
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
 * @returns {() => Generator<void, import("../types.js").DecodedPicture & import("../types.js").Digest, void>} */
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
 * @returns {Generator<void, import("../types.js").DecodedPicture & import("../types.js").Digest, void>} */
function* decode(header, container, limits, architecture, specs) {
  const [first, second] = yield* readTensors(specs, container.table, container.data, limits, []);
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
        data[at] = depth === 32 ? value : toPixel(value, most);
      }
    }
  });
  return { kind: "image", width, height, channels, depth, data, symbolsSha256: hex(digest) };
}
