/** The public types of the module of fields, `inr-web/fields.js`. */
import type { DecodedShape, DecodedSound } from "./types.js";

/** Distances at points [x, y, z, x, y, z ...], in the units of the shape. */
export function distances(shape: DecodedShape, points: ArrayLike<number>): Float32Array;

/** A decoded sound as an AudioBuffer of a context. */
export function toAudioBuffer(sound: DecodedSound, context: BaseAudioContext): AudioBuffer;
