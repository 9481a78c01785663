/** Decoded pictures as what a canvas shows: RGBA of 8 bits, in a colour space that the canvas knows. */
import { colourMap, hasWideScreen } from "./colour.js";
import { UnsupportedError } from "./errors.js";

/** The picture for `putImageData`. Its colours are those of the file's profile; if that is not understood, they are taken
 * as sRGB, and `note` says so. Values of 16 bits keep their upper 8, floats are clipped to 0 ... 1.
 * @type {typeof import("./types.js").paint} */
export const paint = (decoded, isWide = hasWideScreen()) => {
  if (decoded.kind !== "image") throw new UnsupportedError(`the file holds a signal of kind ${decoded.kind}, not a picture`);
  const { width, height, channels, depth, data } = decoded;
  const pixels = new Uint8ClampedArray(4 * width * height);
  const scale = depth === 8 ? 1 : depth === 16 ? 255 / 65535 : 255;
  const isColour = channels > 2;
  const hasAlpha = channels % 2 === 0;
  for (let i = 0, from = 0; i < pixels.length; i += 4, from += channels) {
    pixels[i] = data[from] * scale;
    pixels[i + 1] = data[from + (isColour ? 1 : 0)] * scale;
    pixels[i + 2] = data[from + (isColour ? 2 : 0)] * scale;
    pixels[i + 3] = hasAlpha ? data[from + channels - 1] * scale : 255;
  }
  const { colorSpace, map, note } = colourMap(decoded, isWide);
  map?.(pixels);
  return { width, height, data: pixels, colorSpace, note };
};
