/** Colours of a file in the colour space of a canvas: profiles with a matrix and curves, and PNG's code points.
 *
 * A profile is compared with sRGB and Display P3. Other colours are converted to that one of them which the screen has: if
 * they were converted twice, those outside of both would be cut off twice.
 */

/** Columns: the primaries in XYZ of illuminant D50, as ICC profiles have them. */
const SRGB = [0.4361, 0.3851, 0.1431, 0.2225, 0.7169, 0.0606, 0.0139, 0.0971, 0.7141];
const P3 = [0.5151, 0.292, 0.1571, 0.2412, 0.6922, 0.0666, -0.0011, 0.0419, 0.7841];
const REC2020 = [0.6735, 0.1656, 0.1251, 0.279, 0.6753, 0.0456, -0.0019, 0.0300, 0.7966];

/** By the code points of PNG's cICP. @type {Record<number, number[]>} */
const PRIMARIES = { 1: SRGB, 9: REC2020, 12: P3 };
/** @type {Record<number, (v: number) => number>} */
const TRANSFERS = { 1: linearOfVideo, 6: linearOfVideo, 8: (v) => v, 13: linear, 14: linearOfVideo, 15: linearOfVideo };
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
  try {
    space = (icc && spaceOfProfile(icc)) ?? spaceOfChunks(meta);
  } catch {
    space = null;
  }
  if (!space || channels < 3) {
    const hasOther = (icc || meta?.colour_chunks) && channels > 2;
    return { colorSpace: "srgb", space: null, note: hasOther ? UNKNOWN : null };
  }
  const isCoded = space.curves.every(isLikeSrgb);
  if (isCoded && isNear(space.matrix, SRGB)) return { colorSpace: "srgb", space: null, note: null };
  if (!isWide) return { colorSpace: "srgb", space, note: null };
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
  const back = inverse(colorSpace === "srgb" ? SRGB : P3);
  return [0, 1, 2].flatMap((r) => [0, 1, 2].map((c) => [0, 1, 2].reduce((s, k) => s + back[3 * r + k] * matrix[3 * k + c], 0)));
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

/** The colour space of PNG's chunks in the JSON of a file: cICP, or a gamma with the primaries of sRGB.
 * @param {Record<string, unknown> | null} meta @returns {Space | null} */
function spaceOfChunks(meta) {
  const chunks = /** @type {Record<string, string>} */ (meta?.colour_chunks ?? {});
  const numbers = (chunks.cICP ?? "").match(/../g)?.map((digits) => parseInt(digits, 16));
  const curve = numbers && TRANSFERS[numbers[1]];
  if (numbers && curve && PRIMARIES[numbers[0]]) return { matrix: PRIMARIES[numbers[0]], curves: [curve, curve, curve] };
  const gamma = parseInt(chunks.gAMA ?? "", 16) / 100000;
  if (!(gamma > 0.1 && gamma < 10) || chunks.cHRM) return null;
  const power = (/** @type {number} */ v) => v ** (1 / gamma);
  return { matrix: SRGB, curves: [power, power, power] };
}

/** A profile's matrix and curves; null for profiles of other kinds.
 * @param {Uint8Array} icc @returns {Space | null} */
function spaceOfProfile(icc) {
  const view = new DataView(icc.buffer, icc.byteOffset, icc.byteLength);
  /** @param {number} at */
  const name = (at) => String.fromCharCode(...icc.subarray(at, at + 4));
  if (name(16) !== "RGB " || name(20) !== "XYZ ") return null;
  /** @type {Map<string, number>} */
  const tags = new Map();
  const n = Math.min(view.getUint32(128), 100);
  for (let i = 0; i < n; i++) tags.set(name(132 + 12 * i), view.getUint32(136 + 12 * i));
  const places = ["rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC"].map((tag) => tags.get(tag) ?? -1);
  if (places.includes(-1) || tags.has("A2B0")) return null;
  /** @param {number} at */
  const fixed = (at) => view.getInt32(at) / 65536;
  const matrix = [0, 4, 8].flatMap((row) => places.slice(0, 3).map((at) => fixed(at + 8 + row)));
  return { matrix, curves: places.slice(3).map((at) => (name(at) === "para" ? parametric(at) : sampled(at))) };

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
