/** The demo page: its pictures, and files that are dropped on it. */
import { decodeInWorker, defineElement, FormatError, inspect, paint, UnsupportedError } from "./src/index.js";
import { draw } from "./src/draw.js";
import { defineShapeElement } from "./src/shape_element.js";

defineElement();
defineShapeElement();
const other = document.getElementById("other");
const SHAPES = ["shape", "points", "slices", "unsigned"];
const box = document.getElementById("drop");
const told = document.getElementById("told");
const canvas = box.querySelector("canvas");
/** @type {AbortController | null} */
let current = null;

async function open(file) {
  current?.abort();
  const own = (current = new AbortController());
  canvas.hidden = true;
  other.replaceChildren();
  told.textContent = `Decoding ${file.name}`;
  const since = performance.now();
  try {
    const bytes = await file.arrayBuffer();
    const { kind } = inspect(new Uint8Array(bytes));
    if (kind === "audio" || SHAPES.includes(kind)) {
      await show(kind === "audio" ? "inr-sound" : "inr-shape", file);
      if (own === current) {
        const ms = Math.round(performance.now() - since);
        told.textContent = `${file.name}: ${kind}, ${bytes.byteLength.toLocaleString("en")} bytes, decoded in ${ms} ms`;
      }
      return;
    }
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

/** The element of a sound or a shape; rejects with the reason why it cannot show the file. */
async function show(name, file) {
  const element = document.createElement(name);
  const address = URL.createObjectURL(file);
  const isDone = new Promise((resolve) => {
    for (const kind of ["load", "error"]) element.addEventListener(kind, resolve);
  });
  element.setAttribute("alt", file.name);
  element.setAttribute("src", address);
  other.replaceChildren(element);
  await isDone;
  URL.revokeObjectURL(address);
  if (element.error) throw element.error;
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
