/** Families of fields: the tensors that follow from settings, and the ops that a field calculates with them.
 *
 * The ops are those of `inr/exporters/ops.py`; `local_cosine` has one of its own, `cosines`.
 */
import { FormatError, UnsupportedError } from "../errors.js";
import { geometriesOf } from "./grid_geometry.js";

/** Dense levels with fewer latents are coded without a context model. */
const LEAST_PLANE = 256;
/** Numbers by which coordinates are multiplied before the bits of a vertex are mixed. */
const PRIMES = [1, 2654435761, 805459861, 3674653429];
const LATTICES = ["", "line", "plane", "volume"];

/** @typedef {import("../internal.js").Config} Config */
/** @typedef {import("../internal.js").FieldTensor} FieldTensor */
/** @typedef {import("../internal.js").Op} Op */
/** @typedef {(values: Map<string, Float32Array>, ops: Op[]) => void} Emit Appends ops, of which the last is the result. */
/** @typedef {{tensors: FieldTensor[], width: number, emit: Emit}} Part */

/** The possible outlines of a field, the likeliest first; see `geometriesOf`.
 * @param {Config} config @param {import("../internal.js").Header} header
 * @returns {{tensors: FieldTensor[], program: (values: Map<string, Float32Array>) => Op[]}[]} */
export function outlines(config, header) {
  checkFamily(config);
  const d = header.low.length;
  return encodings(config.encoding, header, d).map((encoding) => {
    const tensors = encoding.tensors.map((tensor) => ({ ...tensor, name: `body.encoding.${tensor.name}` }));
    const layers = layersOf(config, encoding.width, header.channels);
    for (const { name, rows, columns } of layers) {
      tensors.push({ name: `${name}.weight`, size: rows * columns });
      if (config.has_bias) tensors.push({ name: `${name}.bias`, size: rows });
    }
    /** @param {Map<string, Float32Array>} values */
    const program = (values) => {
      /** @type {Op[]} */
      const ops = [{ op: "input", inputs: [], width: d }];
      encoding.emit(new Map(encoding.tensors.map(({ name }) => [name, valueOf(values, `body.encoding.${name}`)])), ops);
      layers.forEach(({ name, rows }, i) => {
        const bias = values.get(`${name}.bias`) ?? new Float32Array(rows);
        push(ops, { op: "dense", width: rows, weight: valueOf(values, `${name}.weight`), bias });
        if (i < layers.length - 1) activate(config.activation, i === 0, ops);
      });
      if (config.head.type === "sigmoid") scale(ops, 0.5);
      if (config.head.type !== "linear") push(ops, { op: "map", function: "tanh" });
      return ops;
    };
    return { tensors, program };
  });
}

/** What Python refuses as not resolved for the signal.
 * @param {Config} config */
function checkFamily({ type, activation, encoding }) {
  const needsFirst = type === "siren" || type === "finer";
  if (needsFirst && activation.omega_first === null) throw new FormatError("the field's settings are not complete");
  if (activation.has_scale_gradient === null) throw new FormatError("the field's settings are not complete");
  if (type === "local_cosine" && encoding.type !== "local_cosine") {
    throw new UnsupportedError(`this decoder knows local_cosine with its own encoding only, not with ${encoding.type}`);
  }
}

/** @param {Config} config @param {number} first @param {number} last */
function layersOf({ width, depth }, first, last) {
  const found = Array.from({ length: depth }, (_, i) => ({
    name: `body.blocks.${i}.linear`,
    rows: width,
    columns: i ? width : first,
  }));
  return [...found, { name: "body.last", rows: last, columns: depth ? width : first }];
}

/** @param {Map<string, Float32Array>} values @param {string} name */
function valueOf(values, name) {
  return /** @type {Float32Array} */ (values.get(name));
}

/** Append an op on the last value. Its width is that of its first input, if none is given.
 * @param {Op[]} ops @param {Omit<Op, "inputs" | "width"> & {inputs?: number[], width?: number}} op
 * @returns {number} Its place. */
function push(ops, op) {
  const inputs = op.inputs ?? [ops.length - 1];
  ops.push(/** @type {Op} */ ({ width: ops[inputs[0]].width, ...op, inputs }));
  return ops.length - 1;
}

/** h factor + shift.
 * @param {Op[]} ops @param {number} factor @param {number} shift */
function scale(ops, factor, shift = 0) {
  const n = ops[ops.length - 1].width;
  push(ops, { op: "affine", scale: new Float32Array(n).fill(factor), shift: new Float32Array(n).fill(shift) });
}

/** @param {Config} config @param {boolean} isFirst @param {Op[]} ops */
function activate(config, isFirst, ops) {
  if (config.type === "relu") return void push(ops, { op: "map", function: "relu" });
  const omega = isFirst ? (config.omega_first ?? config.omega) : config.omega;
  if (config.type === "finer") {
    const z = ops.length - 1;
    const size = push(ops, { op: "map", function: "abs" });
    scale(ops, 1, 1);
    push(ops, { op: "join", function: "multiply", inputs: [size + 1, z] });
  }
  scale(ops, omega);
  push(ops, { op: "map", function: "sin" });
}

/** @param {Config} config @param {import("../internal.js").Header} header @param {number} d @returns {Part[]} */
function encodings(config, header, d) {
  switch (config.type) {
    case "identity":
      return [identity(config, d)];
    case "frequency":
      return [frequency(config, d)];
    case "random_fourier":
      return [randomFourier(config, d)];
    case "local_cosine":
      return [localCosine(config, d)];
    case "latent_grid":
      return latentGrids(config, d);
    default:
      return geometriesOf(config, d).map((geometry) => grid(config, geometry));
  }
}

/** @param {Config} config @param {number} d @returns {Part} */
function identity({ low, high }, d) {
  if (low === null || high === null) throw new FormatError("the field's settings are not complete");
  return { tensors: [], width: d, emit: (_, ops) => scale(ops, high - low, low) };
}

/** @param {Config} config @param {number} d @returns {Part} */
function frequency({ octaves, has_raw: hasRaw, base, lowest }, d) {
  if (octaves === null) throw new FormatError("the field's settings are not complete");
  const weight = new Float32Array(d * octaves * d);
  for (let i = 0; i < d; i++) {
    for (let k = 0; k < octaves; k++) weight[(i * octaves + k) * d + i] = lowest * Math.fround(base ** k);
  }
  return {
    tensors: [],
    width: 2 * d * octaves + (hasRaw ? d : 0),
    emit: (_, ops) => {
      scale(ops, 2, -1);
      const raw = ops.length - 1;
      waves(ops, weight, d * octaves, 1, hasRaw ? [raw] : []);
    },
  };
}

/** @param {Config} config @param {number} d @returns {Part} */
function randomFourier({ n_frequencies: n }, d) {
  return {
    tensors: [{ name: "frequencies", size: n * d }],
    width: 2 * n,
    emit: (values, ops) => waves(ops, valueOf(values, "frequencies"), n, 2 * Math.PI, []),
  };
}

/** Sines and cosines of a linear map, behind other values.
 * @param {Op[]} ops @param {Float32Array} weight @param {number} width @param {number} factor @param {number[]} before */
function waves(ops, weight, width, factor, before) {
  push(ops, { op: "dense", width, weight, bias: new Float32Array(width) });
  if (factor !== 1) scale(ops, factor);
  const angle = ops.length - 1;
  const sines = push(ops, { op: "map", function: "sin" });
  const cosines = push(ops, { op: "map", function: "cos", inputs: [angle] });
  const inputs = [...before, sines, cosines];
  push(ops, { op: "concat", inputs, width: inputs.reduce((sum, i) => sum + ops[i].width, 0) });
}

/** @param {Config} config @param {number} d @returns {Part[]} */
function latentGrids({ grid: inner, features, divisor }, d) {
  if (!["hash_grid", "dense_grid"].includes(inner?.type)) throw new FormatError("the latents lie on no grid");
  return geometriesOf(inner, d).map((geometry) => {
    const own = grid(inner, geometry);
    const [levels, latents] = [geometry.scale.length, inner.features];
    return {
      tensors: [
        ...own.tensors.map((tensor) => ({ ...tensor, name: `grid.${tensor.name}` })),
        { name: "maps.weight", size: levels * latents * features },
        { name: "maps.shift", size: levels * features },
      ],
      width: levels * features,
      emit: (values, ops) => {
        own.emit(new Map(own.tensors.map(({ name }) => [name, valueOf(values, `grid.${name}`)])), ops);
        const [maps, bias] = [valueOf(values, "maps.weight"), valueOf(values, "maps.shift")];
        const weight = new Float32Array(levels * features * levels * latents);
        maps.forEach((value, at) => {
          const [level, latent] = [Math.floor(at / (latents * features)), Math.floor(at / features) % latents];
          weight[(level * features + (at % features)) * levels * latents + level * latents + latent] = value / divisor;
        });
        push(ops, { op: "dense", width: levels * features, weight, bias });
      },
    };
  });
}

/** @param {Config} config @param {import("../internal.js").Geometry} geometry @returns {Part} */
function grid({ features, interpolation }, { scale: scales, resolution, entries, isDense }) {
  const d = resolution[0].length;
  const tensors = entries.map((n, l) => {
    const shape = [features, ...resolution[l].slice().reverse()];
    const hasPlanes = d < 4 && isDense[l] && shape.reduce((a, b) => a * b) >= LEAST_PLANE;
    const planes = hasPlanes ? { kind: LATTICES[d], shape, planeStride: 1, placeStride: features, inner: 1 } : null;
    return { name: `table[${l}]`, size: n * features, isTable: true, planes };
  });
  const strides = resolution.map((sides) => sides.map((_, i) => sides.slice(0, i).reduce((a, b) => a * b, 1)));
  return {
    tensors,
    width: entries.length * features,
    emit: (values, ops) => {
      push(ops, { op: "clamp", low: 0, high: 1 });
      const table = new Float32Array(tensors.reduce((sum, { size }) => sum + size, 0));
      const offset = entries.map((_, l) => entries.slice(0, l).reduce((a, b) => a + b, 0));
      tensors.forEach(({ name }, l) => table.set(valueOf(values, name), offset[l] * features));
      push(ops, {
        op: "grid",
        width: entries.length * features,
        table,
        scale: Float32Array.from(scales.flat()),
        start: 0.5,
        stride: strides.flat(),
        factor: PRIMES.slice(0, d),
        entries,
        offset,
        isHashed: isDense.map((is) => !is),
        isSmooth: interpolation === "smoothstep",
      });
    },
  };
}

/** @param {Config} config @param {number} d @returns {Part} */
function localCosine({ bands, features, samples }, d) {
  if (!bands || !features || !samples || bands.length !== d || samples.length !== d) {
    throw new FormatError("the field's settings are not complete");
  }
  if (d > 1) throw new UnsupportedError("this decoder knows local_cosine of sounds only, not of more axes");
  const frames = Math.ceil(samples[0] / bands[0]) + 1;
  const planes = {
    kind: "spectrum",
    shape: [features, frames, bands[0]],
    planeStride: bands[0],
    placeStride: features * bands[0],
    inner: bands[0],
  };
  return {
    tensors: [{ name: "table", size: frames * features * bands[0], isTable: true, planes }],
    width: features,
    emit: (values, ops) => {
      push(ops, { op: "clamp", low: 0, high: 1 });
      push(ops, { op: "cosines", width: features, table: valueOf(values, "table"), bands: bands[0], samples: samples[0], frames });
    },
  };
}
