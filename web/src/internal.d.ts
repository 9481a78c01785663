/** Types that files of the decoder share. */

export interface Container {
  header: Uint8Array;
  profile: number;
  arch: Uint8Array;
  table: Uint8Array;
  data: Uint8Array;
  hash: Uint8Array;
  icc: Uint8Array | null;
  meta: Uint8Array | null;
}

export interface Header {
  kind: string;
  /** Samples per coordinate: a picture's width and height; empty for shapes and points. */
  shape: number[];
  channels: number;
  offset: number[];
  scale: number[];
  low: number[];
  extent: number[];
  samples: number;
  /** Bits per value of a picture. */
  depth?: number;
  /** Samples or frames per second. */
  rate?: number;
  /** Of the elements of an array. */
  dtype?: string;
  /** Of unsigned distances. */
  softening?: number;
}

export interface TensorSpec {
  size: number;
  isOwn: boolean;
}

export interface Tensor {
  own: Uint8Array;
  symbols: Int32Array;
  step: number;
}

export interface NetworkTensor {
  name: string;
  size: number;
  group: string;
}

export interface ContextIntegers {
  tensors: Map<string, Int32Array>;
  /** Weights are in units of 2^-weightBits, biases in units of 2^-biasBits. */
  weightBits: number;
  biasBits: number;
}

export interface Networks {
  /** Of the steps of tensors, by name. */
  bits: Map<string, number>;
  integers: Map<string, Int32Array>;
  context: ContextIntegers;
}

/** What a page tells of its file. */
export interface PageData {
  name: string;
  /** Of the names of saved files. */
  stem: string;
  facts: [string, string][];
  about: string;
}

/** Settings of a field or of a part of it, by name; `type` is the variant. */
export interface Config {
  type: string;
  [name: string]: any;
}

/** Levels of a grid; scale, resolution [L][D], entries, isDense [L]. */
export interface Geometry {
  scale: number[][];
  resolution: number[][];
  entries: number[];
  isDense: boolean[];
}

/** How a tensor of latents lies in space: the symbol of plane p, place i, k < inner is its number
 * p planeStride + i placeStride + k. */
export interface Planes {
  kind: string;
  /** Planes, then axes. */
  shape: number[];
  planeStride: number;
  placeStride: number;
  inner: number;
}

export interface FieldTensor {
  name: string;
  size: number;
  /** It holds latents. */
  isTable?: boolean;
  planes?: Planes | null;
}

/** A step from earlier values [N, k], whose places are `inputs`, to a new one [N, width]. */
export interface Op {
  op: string;
  inputs: number[];
  width: number;
  [name: string]: any;
}
