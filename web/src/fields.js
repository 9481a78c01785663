/** Files that hold a field: sounds, shapes, arrays, videos, and pictures of the profiles weights and grids. */
export { planField } from "./field/profile.js";
export { distances } from "./field/signals.js";
export { toAudioBuffer } from "./field/sound.js";
