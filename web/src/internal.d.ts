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
