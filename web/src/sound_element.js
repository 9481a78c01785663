/** The element <inr-sound src>: a sound in an .inrz file, with the controls of the browser's own player. */
import { UnsupportedError } from "./errors.js";
import { fetchBytes } from "./fetch_bytes.js";
import { wav } from "./wav.js";
import { decodeInWorker } from "./worker.js";

const Base = typeof HTMLElement === "undefined" ? /** @type {typeof HTMLElement} */ (class {}) : HTMLElement;

/** It has the events `load` and `error`; the text between its tags is shown while there is no sound. It plays a WAV file
 * from a Blob, which a strict policy allows by `media-src blob:`. */
export class InrSound extends Base {
  static observedAttributes = ["src"];

  constructor() {
    super();
    this.player = document.createElement("audio");
    this.player.controls = true;
    this.player.hidden = true;
    this.text = document.createElement("slot");
    /** The reason why the sound cannot be played. @type {unknown} */
    this.error = null;
    /** @type {AbortController | null} */
    this.request = null;
    this.attachShadow({ mode: "open" }).append(this.player, this.text);
  }

  connectedCallback() {
    this.load();
  }

  disconnectedCallback() {
    this.request?.abort();
    URL.revokeObjectURL(this.player.src);
  }

  attributeChangedCallback() {
    if (this.isConnected) this.load();
  }

  async load() {
    this.request?.abort();
    const address = this.getAttribute("src");
    if (!address) return;
    const { signal } = (this.request = new AbortController());
    this.error = null;
    try {
      const sound = await decodeInWorker(await fetchBytes(address, signal), { signal });
      if (sound.kind !== "audio") throw new UnsupportedError(`the file holds a signal of kind ${sound.kind}, not a sound`);
      URL.revokeObjectURL(this.player.src);
      this.player.src = URL.createObjectURL(new Blob([wav(sound)], { type: "audio/wav" }));
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
    }
    this.player.hidden = Boolean(this.error);
    this.text.hidden = !this.error;
    this.dispatchEvent(new Event(this.error ? "error" : "load"));
  }
}
