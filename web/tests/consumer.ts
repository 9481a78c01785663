/** What a user of the package writes in TypeScript; it is compiled and not run. */
import { decode, FormatError, inspect, type Decoded } from "inr-web";
import { distances } from "inr-web/fields.js";
import { defineShapeElement, type InrShape } from "inr-web/shape.js";

export async function brightness(file: Blob, signal: AbortSignal): Promise<number> {
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const shape: number[] = inspect(bytes).shape;
    const decoded: Decoded = await decode(bytes, { limits: { samples: 2 ** 24 }, signal });
    if (decoded.kind === "shape") return distances(decoded, [0, 0, 0])[0];
    return decoded.kind === "image" ? decoded.data[0] / shape[0] : 0;
  } catch (error) {
    if (error instanceof FormatError) return 0;
    throw error;
  }
}

export function lookFromAbove(shape: InrShape): void {
  defineShapeElement();
  shape.pitch = Math.PI / 2;
  shape.draw();
}
