/** Distances of a shape in an .inrz file on a lattice, decoded and sampled in a worker. */
import { decode } from "./decode.js";
import { UnsupportedError } from "./errors.js";
import { distances } from "./field/signals.js";
import { LATTICE_WORKER_TYPE, latticeWorkerSource } from "./lattice_worker_source.js";
import { now, turn, TURN } from "./turns.js";
import { answerBy, inWorker } from "./worker_call.js";

/** Points that are evaluated before a page may have a turn, where it allows no worker. */
const AT_ONCE = 1024;

/** @typedef {{values: Float32Array, kind: string}} Lattice Distances in sides of the cube, x first, and the kind of signal. */

/** The lattice of n^3 points of a file's cube; where the page allows no worker, it is calculated on the page, in turns.
 * @param {ArrayBuffer | Uint8Array} bytes @param {number} n @param {AbortSignal} signal @returns {Promise<Lattice>} */
export async function latticeInWorker(bytes, n, signal) {
  const found = await inWorker(latticeWorkerSource(), LATTICE_WORKER_TYPE, { bytes, n }, signal);
  return found ?? (await latticeOf(bytes, n, signal));
}

/** Answers each message {bytes, n} with a lattice or with {error}.
 * @param {any} scope The worker's global object. */
export function serveLattices(scope) {
  answerBy(scope, async ({ bytes, n }) => {
    const found = await latticeOf(bytes, n);
    return [found, [found.values.buffer]];
  });
}

/** @param {ArrayBuffer | Uint8Array} bytes @param {number} n @param {AbortSignal} [signal] @returns {Promise<Lattice>} */
async function latticeOf(bytes, n, signal) {
  const shape = await decode(bytes, { signal });
  if (!("field" in shape)) throw new UnsupportedError(`the file holds a signal of kind ${shape.kind}, not a shape`);
  return { values: await lattice(shape, n, signal), kind: shape.kind };
}

/** The distances at n^3 points of the cube, its corners included, x first, in sides of the cube.
 * @param {import("./types.js").DecodedShape} shape @param {number} n @param {AbortSignal} [signal] */
async function lattice(shape, n, signal) {
  const values = new Float32Array(n ** 3);
  const points = new Float32Array(3 * AT_ONCE);
  let since = now();
  for (let start = 0; start < values.length; start += AT_ONCE) {
    const count = Math.min(AT_ONCE, values.length - start);
    for (let i = 0; i < count; i++) {
      const at = start + i;
      const place = [at % n, Math.floor(at / n) % n, Math.floor(at / n ** 2)];
      for (let axis = 0; axis < 3; axis++) points[3 * i + axis] = shape.low[axis] + (shape.side * place[axis]) / (n - 1);
    }
    distances(shape, points.subarray(0, 3 * count)).forEach((value, i) => (values[start + i] = value / shape.side));
    if (now() - since < TURN) continue;
    await turn();
    signal?.throwIfAborted();
    since = now();
  }
  return values;
}
