/** Decoded sounds for the browser's own audio. */

/** @type {typeof import("../field_types.js").toAudioBuffer} */
export const toAudioBuffer = ({ data, length, sampleRate }, context) => {
  const buffer = context.createBuffer(data.length, length, sampleRate);
  data.forEach((samples, channel) => buffer.copyToChannel(/** @type {Float32Array<ArrayBuffer>} */ (samples), channel));
  return buffer;
};
