/** The element <inr-image src alt loading>: a picture in an .inrz file, on a canvas. */
import { draw, fetchPicture } from "./draw.js";
import { InrSound } from "./sound_element.js";

/** Pixels around the window within which a lazy picture is loaded. */
const MARGIN = "400px";
const Base = typeof HTMLElement === "undefined" ? /** @type {typeof HTMLElement} */ (class {}) : HTMLElement;

/** Attributes `src`, `alt` and `loading="lazy"` are those of `img`, and so are the events `load` and `error`. While it
 * cannot show the picture, it shows the text of `alt`. */
export class InrImage extends Base {
  static observedAttributes = ["src", "alt"];

  constructor() {
    super();
    this.canvas = document.createElement("canvas");
    this.text = document.createElement("span");
    this.naturalWidth = 0;
    this.naturalHeight = 0;
    this.complete = false;
    /** The reason why the picture cannot be shown. @type {unknown} */
    this.error = null;
    /** @type {AbortController | null} */
    this.request = null;
    /** @type {IntersectionObserver | null} */
    this.observer = null;
    Object.assign(this.canvas.style, { display: "none", width: "100%", height: "100%" });
    this.canvas.setAttribute("role", "img");
    this.attachShadow({ mode: "open" }).append(this.canvas, this.text);
  }

  connectedCallback() {
    if (!this.style.display) this.style.display = "inline-block";
    this.describe();
    this.start();
  }

  disconnectedCallback() {
    this.stop();
  }

  /** @param {string} name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(name, before, after) {
    if (name === "alt") this.describe();
    else if (this.isConnected && before !== after) this.start();
  }

  get src() {
    return this.getAttribute("src") ?? "";
  }

  set src(value) {
    this.setAttribute("src", value);
  }

  get alt() {
    return this.getAttribute("alt") ?? "";
  }

  set alt(value) {
    this.setAttribute("alt", value);
  }

  /** Without a text the canvas says nothing to readers of the screen, as `img` with an empty `alt`. */
  describe() {
    this.text.textContent = this.alt;
    this.canvas.setAttribute("aria-label", this.alt);
    this.canvas.setAttribute("aria-hidden", String(!this.alt));
  }

  stop() {
    this.request?.abort();
    this.observer?.disconnect();
    this.request = this.observer = null;
  }

  start() {
    this.stop();
    if (!this.src) return;
    if (this.getAttribute("loading") !== "lazy") return void this.load();
    this.observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        this.observer?.disconnect();
        this.load();
      },
      { rootMargin: MARGIN },
    );
    this.observer.observe(this);
  }

  async load() {
    const own = new AbortController();
    this.request = own;
    this.complete = false;
    this.error = null;
    try {
      this.show(await fetchPicture(this.src, own.signal));
    } catch (error) {
      if (own.signal.aborted) return;
      this.error = error;
      this.canvas.style.display = "none";
      this.text.hidden = false;
    }
    if (own.signal.aborted) return;
    this.complete = true;
    this.dispatchEvent(new Event(this.error ? "error" : "load"));
  }

  /** @param {import("./types.js").Painted} picture */
  show(picture) {
    draw(this.canvas, picture);
    this.naturalWidth = picture.width;
    this.naturalHeight = picture.height;
    if (!this.hasAttribute("width") && !this.style.width) this.style.width = `min(100%, ${picture.width}px)`;
    for (const side of /** @type {const} */ (["width", "height"])) {
      const given = this.getAttribute(side);
      if (given && /^\d+$/.test(given)) this.style[side] = `${given}px`;
    }
    this.canvas.style.display = "block";
    this.canvas.style.aspectRatio = `${picture.width} / ${picture.height}`;
    this.text.hidden = true;
  }
}

/** Make <inr-image> and <inr-sound> known to the page. */
export function defineElement() {
  if (!customElements.get("inr-image")) customElements.define("inr-image", InrImage);
  if (!customElements.get("inr-sound")) customElements.define("inr-sound", InrSound);
}
