/** Pictures on canvases, from files and addresses. */
import { fetchBytes } from "./fetch_bytes.js";
import { paintInWorker } from "./worker.js";

/** The picture of an address. Rejects with an Error for a failed request, and as `decode`.
 * @param {string} address @param {AbortSignal} [signal] */
export async function fetchPicture(address, signal) {
  return paintInWorker(await fetchBytes(address, signal), { signal });
}

/** Draw a picture on a canvas, which takes its size. Where a canvas has no wide colours, its own space is used.
 * @param {HTMLCanvasElement | OffscreenCanvas} canvas @param {import("./types.js").Painted} picture */
export function draw(canvas, { width, height, data, colorSpace }) {
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D | null} */ (canvas.getContext("2d", { colorSpace }));
  if (!context) throw new Error("this browser has no canvas of that size");
  context.putImageData(new ImageData(data, width, height, { colorSpace }), 0, 0);
}
