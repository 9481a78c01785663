/** Colours of a file in the colour space of a canvas: profiles with a matrix and curves, and PNG's code points.
 *
 * A profile is compared with sRGB and Display P3. Other colours are converted to that one of them which the screen has: if
 * they were converted twice, those outside of both would be cut off twice.
 */

/** By the code points of PNG's cICP (ITU-T H.273): x and y of red, green, blue and white. @type {Record<number, number[]>} */
const PRIMARIES = {
  1: [0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329],
  5: [0.64, 0.33, 0.29, 0.6, 0.15, 0.06, 0.3127, 0.329],
  6: [0.63, 0.34, 0.31, 0.595, 0.155, 0.07, 0.3127, 0.329],
  9: [0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329],
  11: [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.314, 0.351],
  12: [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329],
};
PRIMARIES[7] = PRIMARIES[6];
/** @param {number} gamma */
const power = (gamma) => (/** @type {number} */ v) => v ** gamma;
/** @type {Record<number, (v: number) => number>} */
const TRANSFERS = { 4: power(2.2), 5: power(2.8), 8: power(1), 13: linear };
for (const point of [1, 6, 14, 15]) TRANSFERS[point] = linearOfVideo;
const D50 = [0.9642, 1, 0.8249];
const BRADFORD = [0.8951, 0.2664, -0.1614, -0.7502, 1.7135, 0.0367, 0.0389, -0.0685, 1.0296];
/** Columns: the primaries in XYZ of illuminant D50, as ICC profiles have them. */
const SRGB = matrixOf(PRIMARIES[1]);
const P3 = matrixOf(PRIMARIES[12]);
/** Entries of primaries and curves closer than these are the same. */
const SAME_PRIMARIES = 2e-3;
const SAME_CURVE = 6e-3;
const UNKNOWN = "the colours are described in a way that is not known here, and are shown as sRGB";

/** @typedef {Pick<import("./types.js").DecodedPicture & import("./types.js").FileParts, "icc" | "meta" | "channels">} Coloured */
/** @typedef {{matrix: number[], curves: ((v: number) => number)[]}} Space */

/** The canvas's colour space for a picture, and the picture's own space where its values have to be converted to that.
 * @param {Coloured} picture
 * @param {boolean} isWide Whether the canvas may have the space of Display P3.
 * @returns {{colorSpace: "srgb" | "display-p3", space: Space | null, note: string | null}} */
export function canvasColours({ icc, meta, channels }, isWide) {
  /** @type {Space | null} */
  let space = null;
  const isGrey = channels < 3;
  try {
    space = spaceOfCode(meta) ?? (icc ? spaceOfProfile(icc, isGrey) : spaceOfGamma(meta));
  } catch {
    space = null;
  }
  if (!space) return { colorSpace: "srgb", space, note: icc || meta?.colour_chunks ? UNKNOWN : null };
  const isCoded = space.curves.every(isLikeSrgb);
  // Grey has no primaries; light of all spaces is one scale of greys.
  if (isGrey) space = isCoded ? null : { ...space, matrix: SRGB };
  if (!space || (isCoded && isNear(space.matrix, SRGB))) return { colorSpace: "srgb", space: null, note: null };
  if (!isWide || isGrey) return { colorSpace: "srgb", space, note: null };
  return { colorSpace: "display-p3", space: isCoded && isNear(space.matrix, P3) ? null : space, note: null };
}

/** The same for pixels: what converts them in place, if they have to be. Those of Display P3 always stay as they are.
 * @param {Coloured} picture @param {boolean} isWide As the screen is.
 * @returns {{colorSpace: "srgb" | "display-p3", map: ((pixels: Uint8ClampedArray) => void) | null, note: string | null}} */
export function colourMap(picture, isWide) {
  const wide = canvasColours(picture, true);
  const { colorSpace, space, note } = wide.space && !isWide ? canvasColours(picture, false) : wide;
  return { colorSpace, map: space && converter(space, colorSpace), note };
}

/** From linear light of a space to that of a canvas, row by row. @param {Space} space @param {string} colorSpace */
export function matrixTo({ matrix }, colorSpace) {
  return product(inverse(colorSpace === "srgb" ? SRGB : P3), matrix);
}

/** Of 3 x 3 matrices, or a matrix and a column. @param {number[]} a @param {number[]} b */
function product(a, b) {
  const n = b.length / 3;
  return Array.from({ length: b.length }, (_, i) => [0, 1, 2].reduce((s, k) => s + a[3 * Math.floor(i / n) + k] * b[n * k + (i % n)], 0));
}

/** The primaries in XYZ, scaled so that they add up to white, which Bradford's matrix takes to D50.
 * @param {number[]} places x and y of red, green, blue and white. */
function matrixOf(places) {
  const [r, g, b, own] = [0, 2, 4, 6].map((i) => [places[i] / places[i + 1], 1, (1 - places[i] - places[i + 1]) / places[i + 1]]);
  const colours = [0, 1, 2].flatMap((k) => [r[k], g[k], b[k]]);
  const shares = product(inverse(colours), own);
  const [from, to] = [product(BRADFORD, own), product(BRADFORD, D50)];
  const cones = product(BRADFORD, colours.map((v, i) => v * shares[i % 3]));
  return product(inverse(BRADFORD), cones.map((v, i) => (v * to[Math.floor(i / 3)]) / from[Math.floor(i / 3)]));
}

/** Whether the screen of a page shows more than sRGB; where there is no screen, whether it may. */
export function hasWideScreen() {
  return globalThis.matchMedia?.("(color-gamut: p3)").matches ?? true;
}

/** @param {number[]} a @param {number[]} b */
function isNear(a, b) {
  return a.every((value, i) => Math.abs(value - b[i]) < SAME_PRIMARIES);
}

/** @param {(v: number) => number} curve */
function isLikeSrgb(curve) {
  return [0.02, 0.1, 0.25, 0.5, 0.75, 1].every((v) => Math.abs(encoded(curve(v)) - v) < SAME_CURVE);
}

/** @param {Space} space @param {string} colorSpace @returns {(pixels: Uint8ClampedArray) => void} */
function converter(space, colorSpace) {
  const tables = space.curves.map((curve) => Float64Array.from({ length: 256 }, (_, v) => curve(v / 255)));
  const m = matrixTo(space, colorSpace);
  const codes = Float64Array.from({ length: 4097 }, (_, i) => 255 * encoded(i / 4096));
  /** @param {number} v Linear light. */
  const code = (v) => codes[Math.round(4096 * Math.min(Math.max(v, 0), 1))];
  return (pixels) => {
    for (let i = 0; i < pixels.length; i += 4) {
      const r = tables[0][pixels[i]];
      const g = tables[1][pixels[i + 1]];
      const b = tables[2][pixels[i + 2]];
      for (let k = 0; k < 3; k++) pixels[i + k] = code(m[3 * k] * r + m[3 * k + 1] * g + m[3 * k + 2] * b);
    }
  };
}

/** The curve of sRGB and Display P3: code to linear light. @param {number} v */
function linear(v) {
  return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
}

/** Its inverse. @param {number} v */
function encoded(v) {
  return v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055;
}

/** @param {number} v */
function linearOfVideo(v) {
  return v < 0.081 ? v / 4.5 : ((v + 0.099) / 1.099) ** (1 / 0.45);
}

/** @param {number[]} m */
function inverse([a, b, c, d, e, f, g, h, i]) {
  const det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  const adjugate = [
    e * i - f * h, c * h - b * i, b * f - c * e,
    f * g - d * i, a * i - c * g, c * d - a * f,
    d * h - e * g, b * g - a * h, a * e - b * d,
  ];
  return adjugate.map((v) => v / det);
}

/** @param {Coloured["meta"]} meta @returns {Record<string, string>} */
const chunksOf = (meta) => /** @type {any} */ (meta?.colour_chunks ?? {});

/** The colour space of a PNG's cICP in the JSON of a file, of RGB in the full range.
 * @param {Coloured["meta"]} meta @returns {Space | null} */
function spaceOfCode(meta) {
  const given = chunksOf(meta).cICP;
  if (!given) return null;
  const [primaries, transfer, matrix, isFull] = (given.match(/../g) ?? []).map((digits) => parseInt(digits, 16));
  const curve = TRANSFERS[transfer];
  if (!curve || !PRIMARIES[primaries] || matrix !== 0 || isFull !== 1) throw new Error("unknown code points");
  return { matrix: matrixOf(PRIMARIES[primaries]), curves: [curve, curve, curve] };
}

/** That of gAMA and cHRM; what is missing is that of sRGB.
 * @param {Coloured["meta"]} meta @returns {Space | null} */
function spaceOfGamma(meta) {
  const { gAMA, cHRM } = chunksOf(meta);
  if (!gAMA && !cHRM) return null;
  const gamma = parseInt(gAMA, 16) / 100000;
  if (gAMA && !(gamma > 0.1 && gamma < 10)) return null;
  const curve = gAMA ? power(1 / gamma) : linear;
  const [x, y, ...rest] = (cHRM?.match(/.{8}/g) ?? []).map((digits) => parseInt(digits, 16) / 100000);
  const matrix = cHRM ? matrixOf([...rest, x, y]) : SRGB;
  return matrix.every((v) => Math.abs(v) < 4) ? { matrix, curves: [curve, curve, curve] } : null;
}

/** A profile's matrix and curves, of grey one curve; null for profiles of other kinds.
 * @param {Uint8Array} icc @param {boolean} isGrey The picture. @returns {Space | null} */
function spaceOfProfile(icc, isGrey) {
  const view = new DataView(icc.buffer, icc.byteOffset, icc.byteLength);
  /** @param {number} at */
  const name = (at) => String.fromCharCode(...icc.subarray(at, at + 4));
  /** @type {Map<string, number>} */
  const tags = new Map();
  const n = Math.min(view.getUint32(128), 100);
  for (let i = 0; i < n; i++) tags.set(name(132 + 12 * i), view.getUint32(136 + 12 * i));
  /** @param {number} at */
  const fixed = (at) => view.getInt32(at) / 65536;
  /** @param {number} at */
  const curveAt = (at) => {
    if (name(at) !== "curv" && name(at) !== "para") throw new Error("no curve");
    return name(at) === "para" ? parametric(at) : sampled(at);
  };
  if (name(20) !== "XYZ ") return null;
  if (name(16) === "GRAY" && isGrey) {
    const curve = curveAt(tags.get("kTRC") ?? 0);
    return { matrix: SRGB, curves: [curve, curve, curve] };
  }
  if (name(16) !== "RGB ") return null;
  const places = ["rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC"].map((tag) => tags.get(tag) ?? -1);
  if (places.includes(-1) || tags.has("A2B0")) return null;
  const matrix = [0, 4, 8].flatMap((row) => places.slice(0, 3).map((at) => fixed(at + 8 + row)));
  const curves = places.slice(3).map(curveAt);
  return isGrey && !curves.every(isLikeSrgb) ? null : { matrix, curves };

  /** @param {number} at @returns {(v: number) => number} */
  function sampled(at) {
    const count = view.getUint32(at + 8);
    if (count === 0) return (v) => v;
    if (count === 1) return (v) => v ** (view.getUint16(at + 12) / 256);
    const values = Array.from({ length: count }, (_, i) => view.getUint16(at + 12 + 2 * i) / 65535);
    return (v) => {
      const place = v * (count - 1);
      const low = Math.min(Math.floor(place), count - 2);
      return values[low] + (place - low) * (values[low + 1] - values[low]);
    };
  }

  /** @param {number} at @returns {(v: number) => number} */
  function parametric(at) {
    const kind = view.getUint16(at + 8);
    const given = Array.from({ length: [1, 3, 4, 5, 7][kind] }, (_, i) => fixed(at + 12 + 4 * i));
    const [g, a = 1, b = 0, c = 0, d = kind > 2 ? 0 : -b / a, e = 0, f = 0] = given;
    if (kind === 2) return (v) => (v >= -b / a ? (a * v + b) ** g + c : c);
    return (v) => (v >= d ? (a * v + b) ** g + e : c * v + f);
  }
}
