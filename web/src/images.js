/** Plain `img` elements: each is given a PNG of the decoded picture, so that styles, alt texts and events stay theirs. */
import { draw, fetchPicture } from "./draw.js";

/** Addresses of files. */
const FILE = /\.inrz([?#]|$)/i;
const DONE = "data-inrz-src";

/** Show the pictures of a document, now and when they are added or changed. Returns what ends this.
 * @type {typeof import("./types.js").watchImages} */
export const watchImages = (root) => {
  const visit = (/** @type {ParentNode} */ node) => {
    if (node instanceof HTMLImageElement) replace(node);
    else if ("querySelectorAll" in node) node.querySelectorAll("img").forEach(replace);
  };
  const observer = new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      for (const node of [target, ...addedNodes]) if (node instanceof Element) visit(node);
    }
  });
  observer.observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ["src"] });
  visit(root);
  return () => observer.disconnect();
};

/** @param {HTMLImageElement} image */
async function replace(image) {
  const address = image.getAttribute("src") ?? "";
  if (!FILE.test(address)) return image.removeAttribute(DONE);
  if (image.getAttribute(DONE) === address) return;
  image.setAttribute(DONE, address);
  if (image.loading === "lazy") await isNear(image);
  try {
    const canvas = document.createElement("canvas");
    draw(canvas, await fetchPicture(new URL(address, image.baseURI).href));
    const blob = await new Promise((resolve) => canvas.toBlob(resolve));
    if (!blob) throw new Error("this browser has no canvas of that size");
    if (image.getAttribute("src") !== address) return;
    const url = URL.createObjectURL(blob);
    image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
    image.src = url;
  } catch (error) {
    image.dispatchEvent(new CustomEvent("error", { detail: error }));
  }
}

/** Resolves when an element is near the window.
 * @param {Element} element @returns {Promise<void>} */
function isNear(element) {
  return new Promise((resolve) => {
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        observer.disconnect();
        resolve();
      },
      { rootMargin: "400px" },
    );
    observer.observe(element);
  });
}
