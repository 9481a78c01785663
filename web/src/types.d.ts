/** The public types of the package. */

/** The largest counts that a file may state; see FORMAT.md, section 7. */
export interface LimitValues {
  /** Bytes of the file. */
  file_bytes: number;
  /** Output values: pixels times channels. */
  samples: number;
  parameters: number;
  symbols: number;
  layers: number;
  width: number;
  levels: number;
  table: number;
  tensors: number;
  meta_bytes: number;
  icc_bytes: number;
  /** Bytes of the output as float32, where it is more than 2^16 times the file. */
  expansion_bytes: number;
  /** Multiplications to decode and show the signal. */
  work: number;
}

/** Where a field is evaluated. `auto`: by a shader of WebGL 2 in a worker where that is faster and gives the same values, else
 * on the processor. `shader`: an UnsupportedError where it cannot. `cpu`: never by a shader. Pyramids have no field. */
export type Evaluation = "auto" | "shader" | "cpu";

export interface DecodeOptions {
  limits?: Partial<LimitValues>;
  evaluation?: Evaluation;
  /** Stops the decoding; the promise is then rejected with the signal's reason. */
  signal?: AbortSignal;
}

export interface DecodedPicture {
  kind: "image";
  width: number;
  height: number;
  /** 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. */
  channels: number;
  /** Bits per value; those of 32 bits are floats in the picture's own units. */
  depth: 8 | 16 | 32;
  /** Rows, columns, channels. */
  data: Uint8ClampedArray | Uint16Array | Float32Array;
}

export interface DecodedSound {
  kind: "audio";
  /** In hertz. */
  sampleRate: number;
  /** Samples per channel. */
  length: number;
  channels: number;
  /** The samples of each channel, full scale 1; they are not clipped. */
  data: Float32Array[];
}

export interface DecodedVideo {
  kind: "video";
  frames: number;
  height: number;
  width: number;
  channels: number;
  /** Frames per second. */
  rate: number;
  /** Frames, rows, columns, channels. */
  data: Uint8ClampedArray;
}

export interface DecodedArray {
  kind: "array";
  /** Without the channels. */
  shape: number[];
  channels: number;
  /** The type of the elements in the original; here they are neither rounded nor clipped to it. */
  dtype: string;
  data: Float32Array;
}

/** A field of distances in a cube: those of a shape, of points or slices, or unsigned ones. */
export interface DecodedShape {
  kind: "shape" | "points" | "slices" | "unsigned";
  /** The corner of the cube. */
  low: number[];
  side: number;
  softening: number;
  /** For `distances`. */
  field: { ops: object[] };
}

export type DecodedSignal = DecodedPicture | DecodedSound | DecodedVideo | DecodedArray | DecodedShape;

export interface FileParts {
  profile: string;
  /** The colour profile. */
  icc: Uint8Array | null;
  /** The JSON of the file, if it is an object. */
  meta: Record<string, unknown> | null;
}

export interface Digest {
  /** SHA-256 of the decoded symbols, in hexadecimal digits. */
  symbolsSha256: string;
}

export interface Evaluated {
  /** Where the last values of a field came from; none of pyramids, and of shapes, which are not sampled. */
  evaluation?: "shader" | "cpu";
}

export type Decoded = DecodedSignal & FileParts & Digest & Evaluated;

export interface Inspected extends FileParts {
  kind: string;
  /** Samples per coordinate: a picture's width and height; empty for shapes and points. */
  shape: number[];
  channels: number;
}

/** The file is malformed or exceeds a limit: the one error of every damaged file. */
export class FormatError extends Error {}

/** The file may be good, but only the Python decoder reads it. */
export class UnsupportedError extends Error {}

/** What a file holds, from its header. Throws FormatError. */
export function inspect(bytes: Uint8Array, options?: Pick<DecodeOptions, "limits">): Inspected;

/** Decodes a file on this thread, with a turn for the page every 12 ms. Rejects with FormatError, UnsupportedError,
 * or the signal's reason. */
export function decode(bytes: ArrayBuffer | Uint8Array, options?: DecodeOptions): Promise<Decoded>;

/** Decodes a file in a worker of its own, which an abort ends at once; where the page allows no worker, as `decode`. */
export function decodeInWorker(bytes: ArrayBuffer | Uint8Array, options?: DecodeOptions): Promise<Decoded>;

export interface Painted {
  width: number;
  height: number;
  /** RGBA, not premultiplied, for `new ImageData(data, width, height, { colorSpace })`. */
  data: Uint8ClampedArray<ArrayBuffer>;
  colorSpace: "srgb" | "display-p3";
  /** What is not as in the file, in one sentence. */
  note: string | null;
}

/** A decoded picture as a canvas shows it, in the colours of its profile. isWide: whether the screen shows more than sRGB;
 * by default what the page says of it. Throws UnsupportedError for other signals. */
export function paint(decoded: Decoded, isWide?: boolean): Painted;

/** `decode` and `paint` in a worker. */
export function paintInWorker(bytes: ArrayBuffer | Uint8Array, options?: DecodeOptions): Promise<Painted>;

/** Makes the elements <inr-image src alt loading> and <inr-sound src> known to the page. */
export function defineElement(): void;

/** The element: `load` and `error` events, `complete`, `naturalWidth`, `naturalHeight`, and the reason in `error`. */
export class InrImage extends HTMLElement {
  src: string;
  alt: string;
  readonly complete: boolean;
  readonly naturalWidth: number;
  readonly naturalHeight: number;
  readonly error: unknown;
}

/** The element of a sound: `load` and `error` events, the player, and the reason in `error`. */
export class InrSound extends HTMLElement {
  readonly player: HTMLAudioElement;
  readonly error: unknown;
}

/** Shows the files in `img` elements of a document, now and when they are added; call the result to end this. */
export function watchImages(root: Document): () => void;
