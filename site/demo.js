/** The demo page: its pictures, and files that are dropped on it. */
import { decodeInWorker, defineElement, FormatError, paint, UnsupportedError } from "./src/index.js";
import { draw } from "./src/draw.js";

defineElement();
const box = document.getElementById("drop");
const told = document.getElementById("told");
const canvas = box.querySelector("canvas");
/** @type {AbortController | null} */
let current = null;

async function open(file) {
  current?.abort();
  const own = (current = new AbortController());
  canvas.hidden = true;
  told.textContent = `Decoding ${file.name}`;
  const since = performance.now();
  try {
    const bytes = await file.arrayBuffer();
    const decoded = await decodeInWorker(bytes, { signal: own.signal });
    const ms = Math.round(performance.now() - since);
    draw(canvas, paint(decoded));
    canvas.hidden = false;
    canvas.setAttribute("aria-label", file.name);
    const rate = (8 * bytes.byteLength) / (decoded.width * decoded.height);
    told.textContent =
      `${file.name}: ${decoded.width} x ${decoded.height}, ${bytes.byteLength.toLocaleString("en")} bytes, ` +
      `${rate.toFixed(3)} bits per pixel, decoded in ${ms} ms`;
  } catch (error) {
    if (own.signal.aborted) return;
    const isKnown = error instanceof FormatError || error instanceof UnsupportedError;
    told.textContent = `${file.name} cannot be shown: ${isKnown ? error.message : error}`;
  }
}

for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  box.addEventListener(kind, (event) => {
    event.preventDefault();
    box.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) open(event.dataTransfer.files[0]);
  });
}
box.querySelector("input").addEventListener("change", (event) => {
  if (event.target.files.length) open(event.target.files[0]);
});
