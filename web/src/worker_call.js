/** Calls of a worker of its own, made from a Blob, which needs no file beside the page; an abort ends it at once. */
import { FormatError, UnsupportedError } from "./errors.js";

/** The answer of a worker to a message; null where the page's policy forbids workers.
 * @param {string} source The worker's text. @param {WorkerType} type @param {object} message @param {AbortSignal} [signal]
 * @returns {Promise<any>} */
export async function inWorker(source, type, message, signal) {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  /** @type {Worker | null} */
  let worker = null;
  try {
    return await new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
      worker = new Worker(url, { type });
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

/** The worker's side: answers each message, or with the error that it gave.
 * @param {any} scope The worker's global object.
 * @param {(message: any) => Promise<[object, ArrayBufferLike[]]>} answer To a message: an object, and what of it is handed over
 * instead of copied. */
export function answerBy(scope, answer) {
  /** @param {MessageEvent} event */
  scope.onmessage = async ({ data }) => {
    try {
      scope.postMessage(...(await answer(data)));
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      scope.postMessage({ error: { name, message } });
    }
  };
}

/** @param {{name: string, message: string}} given */
function errorOf({ name, message }) {
  /** @type {Record<string, new (message: string) => Error>} By name: in a bundle the classes have others. */
  const kinds = { FormatError, UnsupportedError, TypeError };
  return new (kinds[name] ?? Error)(message);
}
