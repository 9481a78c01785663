/** The one error of every damaged file, and the refusal of files that only the Python decoder reads. */

/** The file is malformed, or exceeds a limit of the decoder. */
export class FormatError extends Error {
  /** @param {string} message @param {ErrorOptions} [options] */
  constructor(message, options) {
    super(message, options);
    this.name = "FormatError";
  }
}

/** The file may be good, but this decoder does not know what it holds. */
export class UnsupportedError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "UnsupportedError";
  }
}
