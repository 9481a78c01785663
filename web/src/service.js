/** Decoding for a page, in a worker. */
import { decode } from "./decode.js";
import { paint } from "./paint.js";

/** Answers each message {bytes, limits, isPainted, isWide} with {decoded, painted} or with {error}.
 * @param {any} scope The worker's global object. */
export function serve(scope) {
  /** @param {MessageEvent} event */
  scope.onmessage = async ({ data: { bytes, limits, isPainted, isWide } }) => {
    try {
      const decoded = await decode(bytes, { limits });
      const painted = isPainted ? paint(decoded, isWide) : null;
      scope.postMessage({ decoded, painted }, [decoded.data.buffer, ...(painted ? [painted.data.buffer] : [])]);
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      scope.postMessage({ error: { name, message } });
    }
  };
}
