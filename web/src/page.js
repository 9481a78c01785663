/** The bundle of a page that `inr export` writes. */
export { serve } from "./service.js";
export { view } from "./viewer.js";
