/** What a bundle offers: everything, and the worker's side. */
export { decode, inspect } from "./decode.js";
export { draw, fetchPicture } from "./draw.js";
export { defineElement, InrImage } from "./element.js";
export { InrSound } from "./sound_element.js";
export { FormatError, UnsupportedError } from "./errors.js";
export { watchImages } from "./images.js";
export { paint } from "./paint.js";
export { serve } from "./service.js";
export { decodeInWorker, paintInWorker } from "./worker.js";
