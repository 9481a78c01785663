/** From grids to pixels, strip by strip: `pyramid_error`'s picture of `inr.kernels`, summed in 64 bits. */

const STRIP = 64;

/** Calls `show(y, rows)` for every row of the picture: `rows[c][x]`. Yields after each strip.
 * @param {import("./architecture.js").Architecture} architecture @param {import("../internal.js").Networks} networks
 * @param {Int16Array[]} grids @param {(y: number, rows: Float32Array[]) => void} show
 * @returns {Generator<void, void, void>} */
export function* showPicture(architecture, networks, grids, show) {
  const { height, width, channels, nGrids, nConvolutions } = architecture;
  const values = valuesOf(architecture, networks);
  /** All grids from l on, at the size of grid l. @type {Float32Array[]} */
  let planes = [Float32Array.from(grids[nGrids - 1])];
  for (let l = nGrids - 2; l >= 1; l--) {
    const [h, w] = architecture.grids[l];
    const size = architecture.grids[l + 1];
    const taps = values.get(`kernel${l}`);
    planes = [Float32Array.from(grids[l]), ...planes.map((plane) => doubled(plane, size, taps, 0, h, w))];
    yield;
  }
  for (let first = 0; first < height; first += STRIP) {
    const last = Math.min(first + STRIP, height);
    let [top, bottom] = [Math.max(0, first - nConvolutions), Math.min(height, last + nConvolutions)];
    const own = Float32Array.from(grids[0].subarray(top * width, bottom * width));
    const size = architecture.grids[1];
    const x =
      nGrids > 1
        ? [own, ...planes.map((plane) => doubled(plane, size, values.get("kernel0"), top, bottom, width))]
        : [own];
    let y = coloured(architecture, values, x, (bottom - top) * width);
    for (let n = 0; n < nConvolutions; n++) {
      const seen = nConvolutions - n - 1;
      const [from, to] = [Math.max(0, first - seen), Math.min(height, last + seen)];
      y = filtered(y, values.get(`synthesis${n + 2}.weight`), values.get(`synthesis${n + 2}.bias`), {
        width, top, bottom, from, to, height, isRectified: n + 1 < nConvolutions,
      });
      [top, bottom] = [from, to];
    }
    for (let row = first; row < last; row++) {
      const at = (row - top) * width;
      show(row, y.slice(0, channels).map((plane) => plane.subarray(at, at + width)));
    }
    yield;
  }
}

/** Integers times their steps, as float32.
 * @param {import("./architecture.js").Architecture} architecture @param {import("../internal.js").Networks} networks */
function valuesOf(architecture, { bits, integers }) {
  /** @type {Map<string, Float64Array>} */
  const values = new Map();
  for (const { name } of architecture.tensors) {
    const unit = 2 ** (bits.get(name) ?? 0);
    values.set(name, Float64Array.from(integers.get(name) ?? [], (n) => Math.fround(n / unit)));
  }
  /** @param {string} name */
  const get = (name) => /** @type {Float64Array} */ (values.get(name));
  return { get };
}

/** Rows `first` to `last` of a plane [h, w] at twice its size, cut to `width` columns; its edges are repeated.
 * @param {Float32Array} plane @param {number[]} size @param {Float64Array} taps
 * @param {number} first @param {number} last @param {number} width */
function doubled(plane, [h, w], taps, first, last, width) {
  const out = new Float32Array((last - first) * width);
  const row = new Float32Array(w + 4);
  const [a, b, c, d] = taps;
  for (let y = first; y < last; y++) {
    const isOdd = y & 1;
    const middle = y >> 1;
    const [p, q, r, s] = [-2, -1, 0, 1].map((o) => Math.min(Math.max(middle + o + isOdd, 0), h - 1) * w);
    const [tp, tq, tr, ts] = isOdd ? [b, d, c, a] : [a, c, d, b];
    for (let x = 0; x < w; x++) {
      row[x + 2] = tp * plane[p + x] + tq * plane[q + x] + tr * plane[r + x] + ts * plane[s + x];
    }
    row[0] = row[1] = row[2];
    row[w + 2] = row[w + 3] = row[w + 1];
    const at = (y - first) * width;
    for (let x = 0; x < width; x++) {
      const m = x >> 1;
      out[at + x] =
        x & 1
          ? b * row[m + 1] + d * row[m + 2] + c * row[m + 3] + a * row[m + 4]
          : a * row[m] + c * row[m + 1] + d * row[m + 2] + b * row[m + 3];
    }
  }
  return out;
}

/** The colours [C, n] of n places with inputs [L, n]: a hidden layer, a last one, and the skip.
 * @param {import("./architecture.js").Architecture} architecture
 * @param {{get: (name: string) => Float64Array}} values @param {Float32Array[]} x @param {number} n */
function coloured({ channels, nGrids, nFeatures }, values, x, n) {
  const [w, bias] = [values.get("synthesis0.weight"), values.get("synthesis0.bias")];
  const [v, out, skip] = [values.get("synthesis1.weight"), values.get("synthesis1.bias"), values.get("synthesis.skip")];
  const y = Array.from({ length: channels }, () => new Float32Array(n));
  const [block, sums] = [new Float64Array(4 * nGrids), new Float64Array(4 * channels)];
  for (let at = 0; at < n; at += 4) {
    const m = Math.min(4, n - at);
    for (let l = 0; l < nGrids; l++) {
      for (let i = 0; i < m; i++) block[4 * l + i] = x[l][at + i];
    }
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < 4; i++) {
        let sum = out[c];
        for (let l = 0; l < nGrids; l++) sum += skip[c * nGrids + l] * block[4 * l + i];
        sums[4 * c + i] = sum;
      }
    }
    for (let j = 0; j < nFeatures; j++) {
      let p = bias[j];
      let q = p;
      let r = p;
      let s = p;
      for (let l = 0; l < nGrids; l++) {
        const weight = w[j * nGrids + l];
        p += weight * block[4 * l];
        q += weight * block[4 * l + 1];
        r += weight * block[4 * l + 2];
        s += weight * block[4 * l + 3];
      }
      p = p > 0 ? p : 0;
      q = q > 0 ? q : 0;
      r = r > 0 ? r : 0;
      s = s > 0 ? s : 0;
      for (let c = 0; c < channels; c++) {
        const weight = v[c * nFeatures + j];
        sums[4 * c] += weight * p;
        sums[4 * c + 1] += weight * q;
        sums[4 * c + 2] += weight * r;
        sums[4 * c + 3] += weight * s;
      }
    }
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < m; i++) y[c][at + i] = sums[4 * c + i];
    }
  }
  return y;
}

/** Rows `from` to `to` of a 3 x 3 convolution that is added to what it filters. `y` has rows `top` to `bottom`.
 * @param {Float32Array[]} y @param {Float64Array} weight @param {Float64Array} bias
 * @param {{width: number, top: number, bottom: number, from: number, to: number, height: number,
 *   isRectified: boolean}} rows */
function filtered(y, weight, bias, { width, top, from, to, height, isRectified }) {
  const channels = y.length;
  const sums = new Float64Array(width);
  return y.map((own, c) => {
    const out = new Float32Array((to - from) * width);
    for (let row = from; row < to; row++) {
      const here = (row - top) * width;
      for (let x = 0; x < width; x++) sums[x] = bias[c] + own[here + x];
      for (let k = 0; k < channels; k++) {
        for (let dy = -1; dy <= 1; dy++) {
          const at = (Math.min(Math.max(row + dy, 0), height - 1) - top) * width;
          const [a, b, d] = weight.subarray((c * channels + k) * 9 + 3 * (dy + 1));
          addRow(sums, y[k], at, width, a, b, d);
        }
      }
      const there = (row - from) * width;
      for (let x = 0; x < width; x++) out[there + x] = isRectified && sums[x] < 0 ? 0 : sums[x];
    }
    return out;
  });
}

/** @param {Float64Array} sums @param {Float32Array} plane @param {number} at @param {number} width
 * @param {number} a @param {number} b @param {number} d */
function addRow(sums, plane, at, width, a, b, d) {
  let left = plane[at];
  let here = left;
  for (let x = 0; x < width; x++) {
    const right = plane[at + (x + 1 < width ? x + 1 : x)];
    sums[x] += a * left + b * here + d * right;
    left = here;
    here = right;
  }
}
