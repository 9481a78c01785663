/** The public types of the module of the element, `inr-web/shape.js`. */

/** <inr-shape src alt detail width height>. */
export class InrShape extends HTMLElement {
  canvas: HTMLCanvasElement;
  /** The way the camera looks, in radians. */
  yaw: number;
  pitch: number;
  /** From the middle of the cube to the camera, in its sides. */
  away: number;
  /** The reason why the shape cannot be shown. */
  error: unknown;
  draw(): void;
}

/** Make <inr-shape> known to the page. */
export function defineShapeElement(): void;
