/** Decoding in a worker of its own for each picture, so that the page never waits and an abort ends the work at once. */
import { hasWideScreen } from "./colour.js";
import { asBytes, decode } from "./decode.js";
import { paint } from "./paint.js";
import { inWorker } from "./worker_call.js";
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
async function run(bytes, { signal, ...options } = {}, isPainted) {
  const given = asBytes(bytes);
  signal?.throwIfAborted();
  const found = await inWorker(
    workerSource(),
    WORKER_TYPE,
    { bytes: given, options, isPainted, isWide: hasWideScreen() },
    signal,
  );
  if (found) return found;
  const decoded = await decode(given, { ...options, signal });
  return { decoded, painted: isPainted ? paint(decoded) : null };
}
