/** A field on the graphics processor: its points and values are textures of WebGL 2. */
import { UnsupportedError } from "./errors.js";
import { cover, useProgram } from "./webgl.js";
import { ROW, shaderOf } from "./field/shader.js";

/** Names of programs that simulate graphics on the processor; not all of them admit it by `failIfMajorPerformanceCaveat`. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;
/** Points in a row of the textures, and most rows. */
const SIDE = 256;
/** Points that one call takes. */
export const MOST_POINTS = SIDE ** 2;

/** Evaluates ops at points, in float32. */
export class FieldShader {
  /** UnsupportedError, or an Error of the compiler, where there is no such shader.
   * @param {import("./internal.js").Op[]} ops
   * @param {boolean} mayBeSlow Whether a processor that only simulates graphics is welcome. */
  constructor(ops, mayBeSlow) {
    const { text, numbers } = shaderOf(ops);
    this.coordinates = ops[0].width;
    this.channels = ops[ops.length - 1].width;
    const gl = (this.gl = contextOf(mayBeSlow));
    const rows = numbers.length / (4 * ROW);
    if (rows > gl.getParameter(gl.MAX_TEXTURE_SIZE)) throw new UnsupportedError("the field has too many numbers for a texture");
    const program = useProgram(gl, text);
    this.format = [gl.RED, gl.RG, gl.RGB, gl.RGBA][this.coordinates - 1];
    const own = [gl.R32F, gl.RG32F, gl.RGB32F, gl.RGBA32F][this.coordinates - 1];
    texture(gl, gl.RGBA32F, ROW, rows, gl.RGBA, numbers);
    gl.activeTexture(gl.TEXTURE1);
    const values = texture(gl, gl.RGBA32F, SIDE, SIDE, gl.RGBA, null);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, values, 0);
    texture(gl, own, SIDE, SIDE, this.format, null);
    gl.uniform1i(gl.getUniformLocation(program, "points"), 1);
    if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) {
      throw new UnsupportedError("WebGL 2 cannot draw numbers of 32 bits here");
    }
  }

  /** The values [n, C] at points [n, D], n <= MOST_POINTS. UnsupportedError if the processor gave none.
   * @param {Float32Array} points @param {number} n */
  evaluate(points, n) {
    const { gl, coordinates, channels } = this;
    const rows = Math.ceil(n / SIDE);
    const whole = new Float32Array(rows * SIDE * coordinates);
    whole.set(points.subarray(0, n * coordinates));
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, SIDE, rows, this.format, gl.FLOAT, whole);
    cover(gl, SIDE, rows);
    const found = new Float32Array(4 * SIDE * rows);
    gl.readPixels(0, 0, SIDE, rows, gl.RGBA, gl.FLOAT, found);
    if (gl.getError() || gl.isContextLost()) throw new UnsupportedError("the graphics processor gave no values");
    const out = new Float32Array(n * channels);
    for (let i = 0, at = 0; i < n; i++) for (let c = 0; c < channels; c++, at++) out[at] = found[4 * i + c];
    return out;
  }

  /** Gives back its memory. */
  end() {
    release(this.gl);
  }
}

/** @param {boolean} mayBeSlow @returns {WebGL2RenderingContext} */
function contextOf(mayBeSlow) {
  const canvas = typeof OffscreenCanvas === "undefined" ? globalThis.document?.createElement("canvas") : new OffscreenCanvas(1, 1);
  const gl = /** @type {WebGL2RenderingContext | null | undefined} */ (
    canvas?.getContext("webgl2", { failIfMajorPerformanceCaveat: !mayBeSlow, antialias: false, depth: false })
  );
  if (!gl) throw new UnsupportedError("there is no WebGL 2 here");
  if (!gl.getExtension("EXT_color_buffer_float")) throw new UnsupportedError("WebGL 2 cannot draw numbers of 32 bits here");
  const name = gl.getParameter(gl.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER);
  if (mayBeSlow || !SOFTWARE.test(name)) return gl;
  release(gl);
  throw new UnsupportedError(`graphics are simulated on the processor, by ${name}`);
}

/** @param {WebGL2RenderingContext} gl */
function release(gl) {
  gl.getExtension("WEBGL_lose_context")?.loseContext();
}

/** @param {WebGL2RenderingContext} gl @param {number} kind @param {number} width @param {number} height @param {number} format
 * @param {Float32Array | null} data */
function texture(gl, kind, width, height, format, data) {
  const made = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, made);
  for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
  gl.texImage2D(gl.TEXTURE_2D, 0, kind, width, height, 0, format, gl.FLOAT, data);
  return made;
}
