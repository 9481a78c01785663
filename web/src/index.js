/** A decoder for .inrz files. */
export { decode, inspect } from "./decode.js";
export { FormatError, UnsupportedError } from "./errors.js";
export { paint } from "./paint.js";
export { decodeInWorker, paintInWorker } from "./worker.js";
export { defineElement, InrImage } from "./element.js";
export { InrSound } from "./sound_element.js";
export { watchImages } from "./images.js";
