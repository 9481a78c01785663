/** The architecture of a latent pyramid: six counts from which all shapes follow (FORMAT.md, section 6.3). */
import { FormatError } from "../errors.js";
import { roundHalfToEven } from "../pixels.js";
import { Reader } from "../reader.js";

const BICUBIC = [-0.0234375, -0.0703125, 0.2265625, 0.8671875];

/** Neighbours (dy, dx) that are decoded before a latent, the nearest first. */
const OFFSETS = neighbours();

function neighbours() {
  /** @type {[number, number][]} */
  const found = [];
  for (let dy = -4; dy <= 0; dy++) {
    for (let dx = -4; dx <= 4; dx++) if (dy < 0 || dx < 0) found.push([dy, dx]);
  }
  /** @param {[number, number]} o */
  const key = ([dy, dx]) => [dy * dy + dx * dx, -dy, Math.abs(dx), dx];
  return found.sort((a, b) => {
    const [first, second] = [key(a), key(b)];
    const i = first.findIndex((value, k) => value !== second[k]);
    return first[i] - second[i];
  });
}

export class Architecture {
  /** @param {import("../internal.js").Header} header @param {Uint8Array} arch
   * @param {import("../limits.js").Limits} limits @param {boolean} isFirstForm Of profile 3; else of profile 4. */
  constructor(header, arch, limits, isFirstForm) {
    if (header.kind !== "image") throw new FormatError("profile pyramid codes pictures only");
    const reader = new Reader(arch, "the architecture");
    this.width = header.shape[0];
    this.height = header.shape[1];
    this.channels = header.channels;
    this.nGrids = reader.u8(1, 10);
    this.nNeighbours = reader.u8(1, 40);
    this.nMixtures = reader.u8(0, 16);
    this.nHidden = reader.u8(0, 4);
    this.nFeatures = reader.u8(1, 128);
    this.nConvolutions = reader.u8(0, 4);
    reader.end();
    this.isFirstForm = isFirstForm;
    this.nInputs = this.nNeighbours + this.nMixtures;
    this.offsets = OFFSETS.slice(0, this.nNeighbours);
    /** Height and width of each grid, the finest first. */
    this.grids = Array.from({ length: this.nGrids }, (_, l) => [
      Math.ceil(this.height / 2 ** l),
      Math.ceil(this.width / 2 ** l),
    ]);
    this.nLatents = this.grids.reduce((sum, [h, w]) => sum + h * w, 0);
    this.tensors = this.outline();
    limits.check("parameters", this.tensors.reduce((sum, tensor) => sum + tensor.size, 0));
  }

  /** The tensors of the networks in the order of their stream. */
  outline() {
    const { nInputs: k, channels: c, nGrids, nHidden, nFeatures, nConvolutions } = this;
    /** @type {import("../internal.js").NetworkTensor[]} */
    const found = [];
    /** @param {string} name @param {number} size */
    const add = (name, size) => found.push({ name, size, group: groupOf(name, this.isFirstForm) });
    for (let l = 0; l < nGrids; l++) add(`mix${l}`, this.nMixtures * (nGrids - l));
    for (let i = 0; i <= nHidden; i++) {
      const rows = i < nHidden ? k : 2;
      add(`context${i}.weight`, rows * k);
      add(`context${i}.bias`, rows);
    }
    add("context.skip", 2 * k);
    for (let l = 0; l < nGrids - 1; l++) add(`kernel${l}`, 4);
    for (let i = 0; i < nConvolutions + 2; i++) {
      const rows = i ? c : nFeatures;
      add(`synthesis${i}.weight`, rows * (i > 1 ? 9 * c : i ? nFeatures : nGrids));
      add(`synthesis${i}.bias`, rows);
    }
    add("synthesis.skip", c * nGrids);
    return found;
  }

  /** Multiplications to decode the grids and to show them. */
  get work() {
    /** @param {RegExp} pattern */
    const sum = (pattern) => this.tensors.reduce((n, t) => n + (pattern.test(t.name) ? t.size : 0), 0);
    const perLatent = sum(/^context/) + this.nGrids * this.nMixtures;
    return this.nLatents * perLatent + this.height * this.width * (sum(/^synthesis/) + 11 * this.nGrids);
  }
}

/** The group of a tensor, whose members share a step and a scale.
 * @param {string} name @param {boolean} isFirstForm */
function groupOf(name, isFirstForm) {
  if (name.startsWith("kernel")) return "kernel";
  const network = name.startsWith("synthesis") ? "synthesis" : "context";
  if (name.endsWith("bias")) return `${network}.bias`;
  if (isFirstForm) return `${network}.weight`;
  if (name.startsWith("mix")) return "mix";
  return /^synthesis[2-9]/.test(name) ? "convolution" : name;
}

/** What is added to the symbols of a tensor.
 * @param {string} name @param {number} i @param {number} bits */
export function baseOf(name, i, bits) {
  return name.startsWith("kernel") ? roundHalfToEven(BICUBIC[i] * 2 ** bits) : 0;
}
