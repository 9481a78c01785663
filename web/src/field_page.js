/** The bundle of a page that evaluates a field: the colours of its picture, for a shader. */
import { canvasColours, matrixTo } from "./colour.js";

/** Samples of a curve, which the shader interpolates. */
const ENTRIES = 1024;

/** What the shader and its canvas need. curves: RGBA of each sample of the curves; null: values stay as they are.
 * matrix: by columns, as WebGL takes it.
 * @param {import("./colour.js").Coloured} picture @param {boolean} isWide
 * @returns {{colorSpace: string, curves: Float32Array | null, matrix: number[], note: string | null}} */
export function shaderColours(picture, isWide) {
  const { colorSpace, space, note } = canvasColours(picture, isWide);
  if (!space) return { colorSpace, curves: null, matrix: [1, 0, 0, 0, 1, 0, 0, 0, 1], note };
  const curves = new Float32Array(4 * ENTRIES);
  for (let i = 0; i < ENTRIES; i++) space.curves.forEach((curve, c) => (curves[4 * i + c] = curve(i / (ENTRIES - 1))));
  const rows = matrixTo(space, colorSpace);
  return { colorSpace, curves, matrix: [0, 1, 2].flatMap((c) => [0, 1, 2].map((r) => rows[3 * r + c])), note };
}
