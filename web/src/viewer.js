/** The page that `inr export` writes: the picture of a file, with zoom, and what is known of it. */
import { draw } from "./draw.js";
import { paintInWorker } from "./worker.js";

const SMALLEST = 0.01;
const LARGEST = 200;
/** From this many pixels of the screen per pixel of the picture on, its pixels are squares. */
const SQUARES = 3;
const STEP = 60;

/** Shows a file in the elements of the page. Rejects as `decode`.
 * @param {Uint8Array} file @param {import("./internal.js").PageData} data */
export async function view(file, data) {
  /** @param {string} selector @returns {any} */
  const all = (selector) => document.querySelector(selector);
  const canvas = all("canvas");
  document.body.classList.toggle("bare", location.hash === "#bare");
  all("h1").textContent = data.name;
  all("#about").textContent = data.about;
  canvas.setAttribute("aria-label", data.name);
  /** @param {string} name @param {string} value */
  const fact = (name, value) => {
    for (const [kind, text] of [["dt", name], ["dd", value]]) {
      all("dl").appendChild(document.createElement(kind)).textContent = text;
    }
  };
  for (const [name, value] of data.facts) fact(name, value);
  const since = performance.now();
  const picture = await paintInWorker(file);
  fact("decoded here in", `${Math.round(performance.now() - since)} ms`);
  if (picture.note) fact("note", picture.note);
  draw(canvas, picture);
  const stage = new Stage(all("main"), canvas);
  all("#state").hidden = true;
  all("[data-do=whole]").onclick = () => stage.whole();
  all("[data-do=exact]").onclick = () => stage.zoom(1 / devicePixelRatio / stage.scale);
  all("[data-do=png]").onclick = () => canvas.toBlob((/** @type {Blob} */ blob) => save(blob, `${data.stem}.png`));
  all("[data-do=file]").onclick = () => save(new Blob([/** @type {BlobPart} */ (file)]), `${data.stem}.inrz`);
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Moves and scales a canvas in a box, by pointer, wheel and keys. */
class Stage {
  /** @param {HTMLElement} box @param {HTMLCanvasElement} canvas */
  constructor(box, canvas) {
    this.box = box;
    this.canvas = canvas;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.isWhole = true;
    /** @type {Map<number, PointerEvent>} */
    this.down = new Map();
    box.addEventListener("pointerdown", (e) => {
      box.setPointerCapture(e.pointerId);
      this.down.set(e.pointerId, e);
    });
    for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
      box.addEventListener(name, (e) => this.down.delete(e.pointerId));
    }
    box.addEventListener("pointermove", (e) => this.drag(e));
    box.addEventListener(
      "wheel",
      (e) => {
        e.preventDefault();
        this.zoom(Math.exp(-e.deltaY * 0.0015), e.clientX, e.clientY);
      },
      { passive: false },
    );
    box.addEventListener("keydown", (e) => this.press(e));
    new ResizeObserver(() => this.isWhole && this.whole()).observe(box);
    this.whole();
  }

  /** All of the picture in the box; without anything beside it, pixel for pixel. */
  whole() {
    const { clientWidth, clientHeight } = this.box;
    const { width, height } = this.canvas;
    const isBare = document.body.classList.contains("bare");
    this.scale = isBare ? 1 / devicePixelRatio : Math.min(clientWidth / width, clientHeight / height);
    this.x = isBare ? 0 : (clientWidth - width * this.scale) / 2;
    this.y = isBare ? 0 : (clientHeight - height * this.scale) / 2;
    this.place();
    this.isWhole = true;
  }

  place() {
    const { x, y, scale, canvas } = this;
    canvas.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    canvas.style.imageRendering = scale * devicePixelRatio >= SQUARES ? "pixelated" : "auto";
    this.isWhole = false;
  }

  /** @param {number} dx @param {number} dy */
  move(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.place();
  }

  /** @param {number} factor @param {number} [clientX] The point that stays in its place. @param {number} [clientY] */
  zoom(factor, clientX, clientY) {
    const box = this.box.getBoundingClientRect();
    const [atX, atY] = [(clientX ?? box.left + box.width / 2) - box.left, (clientY ?? box.top + box.height / 2) - box.top];
    const next = Math.min(LARGEST, Math.max(SMALLEST, this.scale * factor));
    this.x = atX - ((atX - this.x) * next) / this.scale;
    this.y = atY - ((atY - this.y) * next) / this.scale;
    this.scale = next;
    this.place();
  }

  /** @param {PointerEvent} e */
  drag(e) {
    const before = this.down.get(e.pointerId);
    if (!before) return;
    const other = [...this.down.values()].find((o) => o.pointerId !== e.pointerId);
    if (other) {
      const span = (/** @type {PointerEvent} */ p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY) || 1;
      this.zoom(span(e) / span(before), (e.clientX + other.clientX) / 2, (e.clientY + other.clientY) / 2);
    } else this.move(e.clientX - before.clientX, e.clientY - before.clientY);
    this.down.set(e.pointerId, e);
  }

  /** @param {KeyboardEvent} e */
  press(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const arrow = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[e.key];
    if (arrow) this.move(arrow[0] * STEP, arrow[1] * STEP);
    else if (e.key === "+" || e.key === "=") this.zoom(1.25);
    else if (e.key === "-") this.zoom(0.8);
    else if (e.key === "0") this.whole();
    else return;
    e.preventDefault();
  }
}
