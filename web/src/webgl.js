/** What all shaders of WebGL 2 here share: a program that colours every pixel of the viewport. */

/** A triangle that covers the viewport, from the numbers of its corners. */
const VERTEX = `#version 300 es
void main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0, 1); }`;

/** Makes a program of a fragment shader and uses it; `cover` runs it. Throws an Error with the compiler's words.
 * @param {WebGL2RenderingContext} gl @param {string} fragment */
export function useProgram(gl, fragment) {
  const program = gl.createProgram();
  for (const [type, text] of /** @type {const} */ ([[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, fragment]])) {
    const shader = /** @type {WebGLShader} */ (gl.createShader(type));
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(`the shader: ${gl.getProgramInfoLog(program)}`);
  gl.useProgram(program);
  return program;
}

/** @param {WebGL2RenderingContext} gl @param {number} width @param {number} height In pixels. */
export function cover(gl, width, height) {
  gl.viewport(0, 0, width, height);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
}
