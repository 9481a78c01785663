/** In the bundle of the element of shapes, which evaluates fields on the processor: its page would wait for its own canvas while
 * a worker opens another one. */
import { UnsupportedError } from "./errors.js";

export const MOST_POINTS = 0;

export class FieldShader {
  constructor() {
    throw new UnsupportedError("this module has no shaders of fields");
  }
}
