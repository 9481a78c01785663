/** The element <inr-shape src alt>: a shape in an .inrz file, seen by sphere tracing its distances in WebGL 2. */
import { fetchBytes } from "./fetch_bytes.js";
import { latticeInWorker } from "./shape_lattice.js";
import { cover, useProgram } from "./webgl.js";

export { serveLattices } from "./shape_lattice.js";

/** Samples per axis of the lattice that rays are traced through; an attribute `detail` changes it. */
const DETAIL = 64;
const MOST_DETAIL = 256;
/** Radians per pixel that is dragged, and per key. */
const DRAG = 0.01;
const KEY = 0.1;
const NEAREST = 0.8;
const FARTHEST = 4;

// Coordinates are those of the cube of the distances, [0, 1]^3; lengths are in its sides. The camera looks at its middle.
const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler3D;
uniform sampler3D field;
uniform mat3 turned;
uniform float away, n, level;
uniform vec2 size;
out vec4 colour;
float at(vec3 p) { return texture(field, (p * (n - 1.0) + 0.5) / n).r - level; }
void main() {
  vec2 s = (2.0 * gl_FragCoord.xy - size) / min(size.x, size.y);
  vec3 eye = turned * vec3(0, 0, away) + 0.5, ray = normalize(turned * vec3(s, -2.5));
  vec3 a = -eye / ray, b = (1.0 - eye) / ray, low = min(a, b), high = max(a, b);
  float t = max(max(max(low.x, low.y), low.z), 0.0), end = min(min(high.x, high.y), high.z);
  colour = vec4(0);
  for (int i = 0; i < 256 && t < end; i++) {
    vec3 p = eye + t * ray;
    float d = at(p);
    if (d < 0.0005) {
      vec2 h = vec2(0.5 / n, 0);
      vec3 normal = vec3(at(p + h.xyy) - at(p - h.xyy), at(p + h.yxy) - at(p - h.yxy), at(p + h.yyx) - at(p - h.yyx));
      normal = i == 0 ? -sign(ray) * vec3(equal(low, vec3(t))) : normalize(normal);  // where the cube cuts the solid
      float light = max(0.0, dot(normal, normalize(turned * vec3(0.4, 0.6, 1.0))));
      colour = vec4(vec3(0.85, 0.84, 0.8) * (0.25 + 0.75 * light), 1);
      return;
    }
    t += max(0.9 * d, 0.001);
  }
}`;

const Base = typeof HTMLElement === "undefined" ? /** @type {typeof HTMLElement} */ (class {}) : HTMLElement;

/** Drag or arrow keys turn it, the wheel or + and - come closer. Its events are `load` and `error`; while it cannot show the
 * shape, it shows the text of `alt`. Unsigned distances are shown as a skin of half a cell. */
export class InrShape extends Base {
  static observedAttributes = ["src", "alt"];

  constructor() {
    super();
    this.canvas = document.createElement("canvas");
    this.text = document.createElement("span");
    this.yaw = 0.6;
    this.pitch = 0.4;
    this.away = 2.2;
    /** The reason why the shape cannot be shown. @type {unknown} */
    this.error = null;
    /** @type {AbortController | null} */
    this.request = null;
    /** @type {View | null} */
    this.view = null;
    Object.assign(this.canvas.style, { display: "none", width: "100%", height: "100%", touchAction: "none" });
    this.canvas.setAttribute("role", "img");
    this.canvas.tabIndex = 0;
    this.attachShadow({ mode: "open" }).append(this.canvas, this.text);
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) this.turn(-DRAG * event.movementX, DRAG * event.movementY);
    });
    this.canvas.addEventListener("pointerdown", (event) => this.canvas.setPointerCapture(event.pointerId));
    this.canvas.addEventListener("wheel", (event) => this.moved(event, 0, 0, 1.1 ** Math.sign(event.deltaY)), { passive: false });
    this.canvas.addEventListener("keydown", (event) => {
      const { key } = event;
      if (key === "ArrowLeft" || key === "ArrowRight") this.moved(event, key === "ArrowLeft" ? -KEY : KEY, 0, 1);
      else if (key === "ArrowUp" || key === "ArrowDown") this.moved(event, 0, key === "ArrowUp" ? KEY : -KEY, 1);
      else if (key === "+" || key === "-") this.moved(event, 0, 0, key === "+" ? 1 / 1.1 : 1.1);
    });
  }

  connectedCallback() {
    if (!this.style.display) this.style.display = "inline-block";
    for (const [side, usual] of [["width", "320px"], ["height", "320px"]]) {
      const given = this.getAttribute(side);
      const value = given && /^\d+$/.test(given) ? `${given}px` : usual;
      if (!this.style.getPropertyValue(side)) this.style.setProperty(side, value);
    }
    this.describe();
    this.load();
  }

  disconnectedCallback() {
    this.request?.abort();
  }

  /** @param {string} name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(name, before, after) {
    if (name === "alt") this.describe();
    else if (this.isConnected && before !== after) this.load();
  }

  describe() {
    const alt = this.getAttribute("alt") ?? "";
    this.text.textContent = alt;
    this.canvas.setAttribute("aria-label", alt);
  }

  async load() {
    this.request?.abort();
    const address = this.getAttribute("src");
    if (!address) return;
    const { signal } = (this.request = new AbortController());
    this.error = null;
    try {
      const wanted = Math.round(Number(this.getAttribute("detail") ?? DETAIL)) || DETAIL;
      const n = Math.min(Math.max(wanted, 8), MOST_DETAIL);
      const { values, kind } = await latticeInWorker(await fetchBytes(address, signal), n, signal);
      this.canvas.style.display = "block";
      this.text.hidden = true;
      this.view ??= new View(this.canvas);
      this.view.hold(values, n, kind === "unsigned" ? 0.5 / n : 0);
      this.draw();
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
      this.canvas.style.display = "none";
      this.text.hidden = false;
    }
    this.dispatchEvent(new Event(this.error ? "error" : "load"));
  }

  /** @param {Event} event @param {number} yaw @param {number} pitch @param {number} factor */
  moved(event, yaw, pitch, factor) {
    event.preventDefault();
    this.away = Math.min(Math.max(this.away * factor, NEAREST), FARTHEST);
    this.turn(yaw, pitch);
  }

  /** @param {number} yaw @param {number} pitch In radians. */
  turn(yaw, pitch) {
    this.yaw += yaw;
    this.pitch = Math.min(Math.max(this.pitch + pitch, -1.5), 1.5);
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.view?.draw(this.yaw, this.pitch, this.away);
  }
}

/** A lattice in a texture, and rays through it. */
class View {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    const gl = canvas.getContext("webgl2");
    if (!gl) throw new Error("this browser has no WebGL 2");
    this.gl = gl;
    this.canvas = canvas;
    this.program = useProgram(gl, FRAGMENT);
    gl.bindTexture(gl.TEXTURE_3D, gl.createTexture());
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R]) gl.texParameteri(gl.TEXTURE_3D, side, gl.CLAMP_TO_EDGE);
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_3D, filter, gl.LINEAR);
  }

  /** @param {Float32Array} values @param {number} n @param {number} level The distance at which the surface is shown. */
  hold(values, n, level) {
    const { gl } = this;
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.R16F, n, n, n, 0, gl.RED, gl.FLOAT, values);
    gl.uniform1f(this.place("n"), n);
    gl.uniform1f(this.place("level"), level);
  }

  /** @param {string} name */
  place(name) {
    return this.gl.getUniformLocation(this.program, name);
  }

  /** @param {number} yaw @param {number} pitch @param {number} away */
  draw(yaw, pitch, away) {
    const { gl, canvas } = this;
    const scale = globalThis.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
    const [c, s, k, m] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
    // Columns: where the camera's right, up and back point; up is y at pitch 0, as in glTF.
    gl.uniformMatrix3fv(this.place("turned"), false, [c, 0, -s, -m * s, k, -m * c, k * s, m, k * c]);
    gl.uniform1f(this.place("away"), away);
    gl.uniform2f(this.place("size"), canvas.width, canvas.height);
    cover(gl, canvas.width, canvas.height);
  }
}

/** Make <inr-shape> known to the page. */
export function defineShapeElement() {
  if (!customElements.get("inr-shape")) customElements.define("inr-shape", InrShape);
}
