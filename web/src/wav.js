/** Sounds as WAV files, which every browser plays. */

/** A WAV file of 32-bit floats.
 * @param {import("./types.js").DecodedSound} sound */
export function wav({ data, length, channels, sampleRate }) {
  const size = 4 * length * channels;
  const view = new DataView(new ArrayBuffer(44 + size));
  /** @param {number} at @param {string} text */
  const letters = (at, text) => [...text].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  letters(0, "RIFF");
  view.setUint32(4, 36 + size, true);
  letters(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 3, true); // floats
  view.setUint16(22, channels, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 4 * channels * sampleRate, true);
  view.setUint16(32, 4 * channels, true);
  view.setUint16(34, 32, true);
  letters(36, "data");
  view.setUint32(40, size, true);
  data.forEach((samples, c) => samples.forEach((v, i) => view.setFloat32(44 + 4 * (i * channels + c), v, true)));
  return view.buffer;
}
