/** Numbers from bytes: little-endian, of fixed width or varints, checked against ranges and the end. */
import { FormatError } from "./errors.js";

export class Reader {
  /** @param {Uint8Array} data @param {string} what The part of the file, for messages. */
  constructor(data, what) {
    this.data = data;
    this.what = what;
    this.at = 0;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  get left() {
    return this.data.length - this.at;
  }

  /** The place of the next n bytes, which are taken.
   * @param {number} n */
  skip(n) {
    if (n > this.left) throw new FormatError(`${this.what} ends too early`);
    this.at += n;
    return this.at - n;
  }

  /** @param {number} n */
  take(n) {
    const at = this.skip(n);
    return this.data.subarray(at, at + n);
  }

  rest() {
    return this.take(this.left);
  }

  u8(low = 0, high = 255) {
    return this.checked(this.data[this.skip(1)], low, high);
  }

  i8(low = -128, high = 127) {
    return this.checked(this.view.getInt8(this.skip(1)), low, high);
  }

  u16() {
    return this.view.getUint16(this.skip(2), true);
  }

  u32() {
    return this.view.getUint32(this.skip(4), true);
  }

  /** @param {number} low @param {number} high */
  f32(low, high) {
    return this.checked(this.view.getFloat32(this.skip(4), true), low, high);
  }

  /** @param {number} low @param {number} high */
  f64(low, high) {
    return this.checked(this.view.getFloat64(this.skip(8), true), low, high);
  }

  /** Seven bits per byte, lowest first; the shortest form, below 2^32. */
  varint(low = 0, high = 2 ** 32 - 1) {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (scale > 2 ** 28) throw new FormatError(`a number of ${this.what} has too many bytes`);
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (byte > 127) continue;
      if ((byte === 0 && scale > 1) || value >= 2 ** 32) {
        throw new FormatError(`a number of ${this.what} is not in its shortest form`);
      }
      return this.checked(value, low, high);
    }
  }

  /** A varint of 0, -1, 1, -2, 2 ... */
  signed(low = -(2 ** 31), high = 2 ** 31 - 1) {
    const value = this.varint();
    return this.checked(value % 2 ? -(value + 1) / 2 : value / 2, low, high);
  }

  end() {
    if (this.left) throw new FormatError(`${this.what} has ${this.left} bytes too many`);
  }

  /** The value, within its range; a number that is not finite is in none.
   * @param {number} value @param {number} low @param {number} high */
  checked(value, low, high) {
    if (!(value >= low && value <= high)) {
      throw new FormatError(`a value of ${this.what} is ${value}, expected ${low} to ${high}`);
    }
    return value;
  }
}
