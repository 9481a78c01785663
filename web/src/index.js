/** A decoder for .inrz files. */
export { decode, inspect } from "./decode.js";
export { FormatError, UnsupportedError } from "./errors.js";
