/** Arrays of pixels, and the rounding of values to them. */

/** @param {import("./internal.js").Header} header */
export function newPicture({ shape: [width, height], channels, depth, samples }) {
  const data =
    depth === 8 ? new Uint8ClampedArray(samples) : depth === 16 ? new Uint16Array(samples) : new Float32Array(samples);
  return { width, height, channels, depth: /** @type {8 | 16 | 32} */ (depth), data };
}

/** The whole number nearest to a value in [0, 1] times the largest one; values outside are clipped.
 * @param {number} value @param {number} most */
export function toPixel(value, most) {
  return roundHalfToEven(Math.min(Math.max(value, 0), 1) * most);
}

/** @param {number} x */
export function roundHalfToEven(x) {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}
