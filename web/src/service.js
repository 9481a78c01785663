/** Decoding for a page, in a worker. */
import { decode } from "./decode.js";
import { paint } from "./paint.js";
import { answerBy } from "./worker_call.js";

/** Answers each message {bytes, options, isPainted, isWide} with {decoded, painted} or with {error}.
 * @param {any} scope The worker's global object. */
export function serve(scope) {
  answerBy(scope, async ({ bytes, options, isPainted, isWide }) => {
    const decoded = await decode(bytes, options);
    const painted = isPainted ? paint(decoded, isWide) : null;
    return [{ decoded, painted }, buffersOf(decoded, painted)];
  });
}

/** What is handed over instead of copied.
 * @param {import("./types.js").Decoded} decoded @param {import("./types.js").Painted | null} painted */
function buffersOf(decoded, painted) {
  return ["data" in decoded ? decoded.data : [], painted?.data ?? []].flat().map(({ buffer }) => buffer);
}
