/** Settings of a field: typed values under numbers that are derived from names (FORMAT.md, profile 1). */
import { FormatError, UnsupportedError } from "../errors.js";
import { SLOTS } from "./tables.js";

const MOST_DEEP = 8;
const MOST_SETTINGS = 256;
const MOST_LISTED = 64;
const LARGEST = 1e30;
const [WHOLE, NUMBER, WORD, LIST, CONFIG] = [3, 4, 5, 6, 7];
/** Limits of whole numbers, by the setting's name; all others count as sizes of tables. @type {Record<string, any>} */
const COUNTS = { width: "width", depth: "layers", levels: "levels" };

/** The settings of a field, each held to its type and bounds. FormatError for settings that no field has,
 * UnsupportedError for a variant that only Python knows.
 * @param {import("../reader.js").Reader} reader @param {import("../internal.js").Header} header
 * @param {import("../limits.js").Limits} limits
 * @returns {import("../internal.js").Config} */
export function readSettings(reader, header, limits) {
  const found = new Settings(reader, header, limits).config("field", 0);
  reader.end();
  return found;
}

class Settings {
  /** @param {import("../reader.js").Reader} reader @param {import("../internal.js").Header} header
   * @param {import("../limits.js").Limits} limits */
  constructor(reader, header, limits) {
    this.reader = reader;
    this.header = header;
    this.limits = limits;
    this.count = 0;
  }

  /** @param {string} slot @param {number} depth @returns {import("../internal.js").Config} */
  config(slot, depth) {
    const { reader } = this;
    if (depth > MOST_DEEP) throw new FormatError("settings are nested too deep");
    const number = reader.u16();
    const variant = SLOTS[slot][number];
    if (!variant) throw new FormatError(`${slot} number ${number} is not known`);
    if (typeof variant === "string") throw new UnsupportedError(refusal(slot, variant));
    /** @type {Map<string, any>} */
    const values = new Map();
    for (let n = reader.u8(); n > 0; n--) {
      if (++this.count > MOST_SETTINGS) throw new FormatError("the field has too many settings");
      const head = reader.u16();
      const setting = variant.settings[head >> 3];
      if (!setting || values.has(setting.name)) {
        throw new FormatError(`setting number ${head >> 3} of ${variant.name} is not known or occurs twice`);
      }
      values.set(setting.name, this.value(head & 7, setting, depth));
    }
    /** @type {import("../internal.js").Config} */
    const config = { type: variant.name };
    for (const setting of Object.values(variant.settings)) {
      const value = values.has(setting.name) ? values.get(setting.name) : setting.default;
      if (value === null && this.isIncomplete(setting)) throw new FormatError("the field's settings are not complete");
      config[setting.name] = value;
    }
    return config;
  }

  /** Whether none stands for a number that depends on the signal: files hold the number.
   * @param {any} setting */
  isIncomplete({ usual, distances, sound }) {
    const { kind, shape } = this.header;
    return usual || (distances && !shape.length && kind !== "points") || (sound && kind === "audio");
  }

  /** @param {number} form @param {any} setting @param {number} depth */
  value(form, setting, depth) {
    if (form === CONFIG) {
      if (!setting.slot) throw new FormatError(`setting ${setting.name} is a table, expected a plain value`);
      return this.config(setting.slot, depth + 1);
    }
    if (form !== LIST) return this.plain(form, setting, setting.forms);
    const all = Array.from({ length: this.reader.u8(0, MOST_LISTED) }, () =>
      this.plain(this.reader.u8(), setting, setting.of ?? ""),
    );
    if (!setting.of) throw new FormatError(`setting ${setting.name} is a list`);
    return all;
  }

  /** @param {number} form @param {any} setting @param {string} forms The letters of the types that are possible. */
  plain(form, setting, forms) {
    const { reader } = this;
    if (form === WORD) {
      const word = setting.words?.[reader.u16()];
      if (word === undefined) throw new FormatError(`setting ${setting.name} has a word that is not known`);
      return word;
    }
    const letter = ["n", "b", "b", "i", "f"][form];
    if (!letter) throw new FormatError(`setting ${setting.name} has a value of form ${form}`);
    const value = form < WHOLE ? [null, false, true][form] : form === WHOLE ? reader.signed() : reader.f64(-LARGEST, LARGEST);
    if (!forms.includes(letter) && !(letter === "i" && forms.includes("f"))) {
      throw new FormatError(`setting ${setting.name} is ${value}, which is of another type`);
    }
    if (form >= WHOLE) this.hold(form, setting, /** @type {number} */ (value));
    return value;
  }

  /** @param {number} form @param {any} setting @param {number} value */
  hold(form, { name, ge, gt, le, lt }, value) {
    if (value < ge || value <= gt || value > le || value >= lt) throw new FormatError(`setting ${name} is ${value}`);
    if (form === NUMBER) return;
    this.limits.check(COUNTS[name] ?? "table", name === "log2_table" ? 2 ** value : Math.abs(value));
  }
}

/** @param {string} slot @param {string} name */
function refusal(slot, name) {
  const known = Object.values(SLOTS[slot]).filter((variant) => typeof variant !== "string");
  const names = known.map((variant) => variant.name).join(", ");
  return `this file has the ${slot} ${name}, which this decoder does not support; it knows ${names}`;
}
