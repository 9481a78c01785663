/** Decoding in a worker of its own for each picture, so that the page never waits and an abort ends the work at once. */
import { hasWideScreen } from "./colour.js";
import { asBytes, decode } from "./decode.js";
import { FormatError, UnsupportedError } from "./errors.js";
import { paint } from "./paint.js";
import { WORKER_TYPE, workerSource } from "./worker_source.js";

/** @type {typeof import("./types.js").decodeInWorker} */
export const decodeInWorker = async (bytes, options) => (await run(bytes, options, false)).decoded;

/** @type {typeof import("./types.js").paintInWorker} */
export const paintInWorker = async (bytes, options) => {
  const { painted } = await run(bytes, options, true);
  return /** @type {import("./types.js").Painted} */ (painted);
};

/** @param {ArrayBuffer | Uint8Array} bytes @param {import("./types.js").DecodeOptions | undefined} options
 * @param {boolean} isPainted
 * @returns {Promise<{decoded: import("./types.js").Decoded, painted: import("./types.js").Painted | null}>} */
async function run(bytes, { limits, signal } = {}, isPainted) {
  const given = asBytes(bytes);
  signal?.throwIfAborted();
  const found = await inWorker({ bytes: given, limits, isPainted, isWide: hasWideScreen() }, signal);
  if (found) return found;
  const decoded = await decode(given, { limits, signal });
  return { decoded, painted: isPainted ? paint(decoded) : null };
}

/** The answer of a worker from a Blob, which needs no file beside the page; null where the page's policy forbids it.
 * @param {object} message @param {AbortSignal} [signal]
 * @returns {Promise<any>} */
async function inWorker(message, signal) {
  const url = URL.createObjectURL(new Blob([workerSource()], { type: "text/javascript" }));
  /** @type {Worker | null} */
  let worker = null;
  try {
    return await new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
      worker = new Worker(url, { type: WORKER_TYPE });
      worker.onerror = () => resolve(null);
      worker.onmessage = ({ data }) => (data.error ? reject(errorOf(data.error)) : resolve(data));
      worker.postMessage(message);
    });
  } catch (error) {
    if (worker) throw error;
    return null;
  } finally {
    /** @type {Worker | null} */ (worker)?.terminate();
    URL.revokeObjectURL(url);
  }
}

/** @param {{name: string, message: string}} given */
function errorOf({ name, message }) {
  const kinds = [FormatError, UnsupportedError, TypeError];
  const Kind = kinds.find((kind) => kind.name === name) ?? Error;
  return new Kind(message);
}
