/** The shape of a grid of several levels: scale, vertices and place in the table of each (`inr/kernels/grid_geometry.py`). */
import { FormatError } from "../errors.js";
import { roundHalfToEven } from "../pixels.js";

const MOST_VERTICES = 2 ** 30;
const MOST_DENSE = 2 ** 26;
const { fround } = Math;

/** The possible grids of an encoding's settings, the likeliest first. There are two or more only where a level's scale is so
 * near a whole number that its vertices depend on the last bit of a logarithm in float32, for which libraries differ.
 * @param {import("../internal.js").Config} config @param {number} d @returns {import("../internal.js").Geometry[]} */
export function geometriesOf(config, d) {
  return config.type === "dense_grid" ? denseGeometries(config, d) : hashGeometries(config, d);
}

/** @param {import("../internal.js").Config} config @param {number} d */
function denseGeometries(config, d) {
  const finest = perAxis(config, d);
  if (finest.reduce((a, b) => a * b, 1) > MOST_DENSE) throw new FormatError("the grid has too many vertices");
  const shrink = config.growth ** (config.levels - 1);
  const base = finest.map((n) => Math.max(2, roundHalfToEven(n / shrink)));
  return geometries(config.levels, 27, base, finest, 0);
}

/** @param {import("../internal.js").Config} config @param {number} d */
function hashGeometries(config, d) {
  const { levels, log2_table: log2Table, base, growth, is_inset: isInset } = config;
  if ([levels, log2Table, base].includes(null) || typeof growth === "string") {
    throw new FormatError("the field's settings are not complete");
  }
  const finest = perAxis(config, d);
  if (growth !== null) {
    if (isInset) throw new FormatError("the grid has both a growth and an inset");
    const found = build(levels, log2Table, new Array(d).fill(base), new Array(d).fill(growth));
    const fitting = found.filter(({ resolution }) => resolution[levels - 1].every((n, i) => n === finest[i]));
    if (!fitting.length) throw new FormatError("the field's settings are not complete");
    return fitting;
  }
  const most = Math.max(...finest);
  const bases = finest.map((n) => Math.max(2, Math.min(n, roundHalfToEven((base * n) / most))));
  return geometries(levels, log2Table, bases, finest, isInset ? 0.5 : 0);
}

/** The setting `finest`, which has a number per axis.
 * @param {import("../internal.js").Config} config @param {number} d @returns {number[]} */
function perAxis({ finest, interpolation }, d) {
  if (d > 4 || finest?.length !== d || interpolation === null) throw new FormatError("the grid's settings are not complete");
  return finest;
}

/** @param {number} levels @param {number} log2Table @param {number[]} base @param {number[]} finest @param {number} inset */
function geometries(levels, log2Table, base, finest, inset) {
  if (finest.some((n, i) => n < base[i])) throw new FormatError("the grid's finest level is coarser than its first");
  const steps = Math.max(levels - 1, 1);
  const growth = finest.map((n, i) => Math.exp(Math.log((n - inset) / (base[i] - inset)) / steps));
  return build(levels, log2Table, base.map((n) => n - inset), growth);
}

/** @param {number} levels @param {number} log2Table @param {number[]} base @param {number[]} growth
 * @returns {import("../internal.js").Geometry[]} */
function build(levels, log2Table, base, growth) {
  /** @type {Map<string, import("../internal.js").Geometry>} */
  const found = new Map();
  for (const logs of combinations(growth.map(logarithms))) {
    const scale = Array.from({ length: levels }, (_, l) =>
      logs.map((log, i) => fround(fround(fround(2 ** fround(l * log)) * fround(base[i])) - 1)),
    );
    if (!(Math.max(...scale.flat()) < MOST_VERTICES)) throw new FormatError("the grid's finest level is too fine");
    const resolution = scale.map((level) => level.map((s) => Math.ceil(s) + 1));
    const vertices = resolution.map((level) => level.reduce((a, b) => a * b, 1));
    const entries = vertices.map((n) => Math.min(Math.ceil(n / 8) * 8, 2 ** log2Table));
    const isDense = entries.map((n, l) => n >= vertices[l]);
    const key = String(resolution);
    if (!found.has(key)) found.set(key, { scale, resolution, entries, isDense });
  }
  return [...found.values()];
}

/** log2 in float32: the nearest number, and the one at the other side of the exact value.
 * @param {number} growth */
function logarithms(growth) {
  const exact = Math.log2(fround(growth));
  const near = fround(exact);
  if (near === exact) return [near];
  const bits = new Int32Array(1);
  const float = new Float32Array(bits.buffer);
  float[0] = near;
  bits[0] += (exact > near) === (near > 0) ? 1 : -1;
  return [near, float[0]];
}

/** @param {number[][]} choices @returns {number[][]} */
function combinations([first, ...rest]) {
  if (!first) return [[]];
  return combinations(rest).flatMap((tail) => first.map((value) => [value, ...tail]));
}
