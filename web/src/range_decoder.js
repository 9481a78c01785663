/** The range coder and the Laplace distribution (FORMAT.md, sections 3 and 4), in numbers that are exact below 2^53.
 *
 * JavaScript's own shifts cut to 32 bits, so `>>` is a division by a power of two and `Math.floor`.
 */
import { FormatError } from "./errors.js";

const TOP = 2 ** 48;
const BOTTOM = 2 ** 40;
const LOWEST = -64;
const HIGHEST = 63;
const FREE = 65407;
const STEPS = 1536;
const ONE_24 = 2 ** 24;

/** E[k] = round(2^30 exp(-k / 64)), by the series of exp(-1/64) and products, with 192 more bits. */
export const EXPONENTIALS = exponentials();
/** R[s] = floor(2^20 / (4 b)) for the scale b = 2^((s - 96) / 16). */
export const INVERSES = inverses();

function exponentials() {
  const one = 1n << 222n;
  let ratio = 0n;
  for (let n = 1n, term = one; term; n++) {
    ratio += term;
    term = -term / (64n * n);
  }
  const values = new Float64Array(STEPS + 1);
  for (let k = 0, power = one; k <= STEPS; k++) {
    values[k] = Number((power + (1n << 191n)) >> 192n);
    power = (power * ratio) >> 222n;
  }
  return values;
}

function inverses() {
  const values = new Float64Array(256);
  for (let s = 0; s < 256; s++) {
    const power = 1n << BigInt(16 * 24 - s);
    let root = BigInt(Math.floor(2 ** (24 - s / 16)));
    while (root ** 16n > power) root--;
    while ((root + 1n) ** 16n <= power) root++;
    values[s] = Number(root);
  }
  return values;
}

/** The start of the share of symbol q, out of 2^16; q = 64 is the escape.
 * @param {number} mu Mean, in 1/256. @param {number} s Scale index. @param {number} q */
export function cumulative(mu, s, q) {
  if (q <= LOWEST) return 0;
  if (q > HIGHEST + 1) return 65536;
  const distance = 256 * q - 128 - mu;
  const share = Math.floor((FREE * tail(Math.abs(distance) * INVERSES[s])) / 2147483648);
  return (distance < 0 ? share : FREE - share) + q - LOWEST;
}

/** The start of the share of symbol q, out of 2^24, of -most ... most; q = most + 1 is the end.
 * @param {number} mu Mean, in 1/256. @param {number} s Scale index. @param {number} q @param {number} most */
export function boundedCumulative(mu, s, q, most) {
  if (q <= -most) return 0;
  if (q > most) return ONE_24;
  const least = most < 32 ? 256 : 16;
  const free = ONE_24 - least * (2 * most + 1);
  const distance = 256 * q - 128 - mu;
  const share = Math.floor((free * Math.floor(tail(Math.abs(distance) * INVERSES[s]) / 4)) / 536870912);
  return (distance < 0 ? share : free - share) + least * (q + most);
}

/** 2^30 exp(-at / 2^26).
 * @param {number} at */
function tail(at) {
  const step = Math.floor(at / 1048576);
  if (step >= STEPS) return 0;
  const left = EXPONENTIALS[step];
  return left - Math.floor(((left - EXPONENTIALS[step + 1]) * (at - step * 1048576)) / 1048576);
}

export class RangeDecoder {
  /** @param {Uint8Array} data */
  constructor(data) {
    this.data = data;
    this.position = 6;
    /** CODE and RANGE. */
    this.state = new Float64Array([0, TOP]);
    for (let i = 0; i < 6; i++) this.state[0] = this.state[0] * 256 + (i < data.length ? data[i] : 0);
  }

  /** Move past the event [start, start + count) out of `total`, which holds.
   * @param {number} start @param {number} count @param {number} total */
  take(start, count, total = 65536) {
    const { state, data } = this;
    const part = Math.floor(state[1] / total);
    let code = state[0] - part * start;
    let range = part * count;
    if (!(code >= 0 && code < range)) throw damaged();
    while (range < BOTTOM) {
      code = code * 256 + (this.position < data.length ? data[this.position] : 0);
      range *= 256;
      this.position++;
    }
    if (this.position > data.length + 6) throw damaged();
    state[0] = code;
    state[1] = range;
  }

  /** The place of the next event in 0 ... 2^16. */
  place() {
    return Math.floor(this.state[0] / Math.floor(this.state[1] / 65536));
  }

  /** @param {number} n At most 16. */
  bits(n) {
    const size = 2 ** (16 - n);
    const value = Math.floor(this.place() / size);
    this.take(value * size, size);
    return value;
  }

  /** @param {number} share Of 2^16. */
  flag(share) {
    const isSet = this.place() < share;
    if (isSet) this.take(0, share);
    else this.take(share, 65536 - share);
    return isSet;
  }

  /** @param {number} order */
  golomb(order) {
    let n = order;
    while (this.bits(1) === 0) {
      if (++n > order + 24) throw damaged();
    }
    let value = 1;
    while (n > 0) {
      const step = Math.min(n, 16);
      n -= step;
      value = value * 2 ** step + this.bits(step);
    }
    return value - 2 ** order;
  }

  /** A symbol of mean mu, in 1/256, and scale index s.
   * @param {number} mu @param {number} s */
  symbol(mu, s) {
    const part = Math.floor(this.state[1] / 65536);
    const code = this.state[0];
    const middle = Math.min(Math.max((mu + 128) >> 8, LOWEST), HIGHEST + 1);
    let low = middle;
    let high = middle;
    let start = cumulative(mu, s, middle);
    let end = start;
    if (code < part * start) {
      for (let step = 1; ; step *= 2) {
        end = start;
        high = low;
        low = Math.max(low - step, LOWEST);
        start = cumulative(mu, s, low);
        if (code >= part * start) break;
      }
    } else {
      for (let step = 1; ; step *= 2) {
        start = end;
        low = high;
        high = Math.min(high + step, HIGHEST + 2);
        if (low === high) throw damaged();
        end = cumulative(mu, s, high);
        if (code < part * end) break;
      }
    }
    while (high - low > 1) {
      const between = (low + high) >> 1;
      const edge = cumulative(mu, s, between);
      if (code < part * edge) {
        high = between;
        end = edge;
      } else {
        low = between;
        start = edge;
      }
    }
    this.take(start, end - start);
    if (low <= HIGHEST) return low;
    return this.bits(1) ? LOWEST - 1 - this.golomb(4) : HIGHEST + 1 + this.golomb(4);
  }

  /** A symbol of -most ... most.
   * @param {number} mu @param {number} s @param {number} most */
  bounded(mu, s, most) {
    const part = Math.floor(this.state[1] / ONE_24);
    const code = this.state[0];
    let low = Math.min(Math.max((mu + 128) >> 8, -most), most);
    let high = low + 1;
    let start = boundedCumulative(mu, s, low, most);
    let end = boundedCumulative(mu, s, high, most);
    for (let step = 1; code < part * start; step *= 2) {
      high = low;
      end = start;
      low = Math.max(low - step, -most);
      start = boundedCumulative(mu, s, low, most);
    }
    for (let step = 1; code >= part * end; step *= 2) {
      if (high > most) throw damaged();
      low = high;
      start = end;
      high = Math.min(high + step, most + 1);
      end = boundedCumulative(mu, s, high, most);
    }
    while (high - low > 1) {
      const between = (low + high) >> 1;
      const edge = boundedCumulative(mu, s, between, most);
      if (code < part * edge) {
        high = between;
        end = edge;
      } else {
        low = between;
        start = edge;
      }
    }
    this.take(start, end - start, ONE_24);
    return low;
  }

  /** Refuse a stream that is longer or shorter than its events. */
  end() {
    const ahead = this.position - this.data.length;
    if (ahead < 4 || ahead > 6) throw damaged();
  }
}

/** @returns {FormatError} */
export function damaged() {
  return new FormatError("a stream of symbols is damaged");
}
