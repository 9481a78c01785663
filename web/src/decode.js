/** Decoding of untrusted bytes: every size is checked before memory is allocated (FORMAT.md, section 7). */
import { readContainer } from "./container.js";
import { FormatError, UnsupportedError } from "./errors.js";
import { loadFields } from "./fields_module.js";
import { readHeader } from "./header.js";
import { EXPANSION, Limits } from "./limits.js";
import { planPyramid } from "./pyramid/profile.js";
import { now, turn, TURN } from "./turns.js";

/** @type {Record<number, string>} */
const PROFILES = { 1: "weights", 2: "grids", 3: "pyramid", 4: "pyramid" };

/** What a file holds, from its header only. FormatError if it is malformed so far.
 * @type {typeof import("./types.js").inspect} */
export const inspect = (bytes, options) => {
  const { container, header, profile } = understand(bytes, new Limits(options?.limits));
  const { kind, shape, channels } = header;
  return { kind, shape, channels, profile, icc: container.icc, meta: metaOf(container) };
};

/** @param {Uint8Array} bytes @param {Limits} limits */
function understand(bytes, limits) {
  const container = readContainer(bytes, limits);
  const header = readHeader(container.header, limits);
  const size = 4 * header.samples;
  limits.check("expansion_bytes", size > EXPANSION * bytes.length ? size : 0);
  const profile = PROFILES[container.profile];
  if (!profile) throw new FormatError(`the file uses profile ${container.profile}, which this decoder does not know`);
  return { container, header, profile };
}

/** Decodes step by step; errors other than FormatError and UnsupportedError show a fault of the decoder. If a step is the
 * promise of a module, the next one needs the module.
 * @param {Uint8Array} bytes @param {Limits} limits @param {import("./types.js").DecodeOptions} options
 * @returns {Generator<Promise<any> | void, import("./types.js").Decoded, any>} */
function* decodeSteps(bytes, limits, options) {
  const { container, header, profile } = understand(bytes, limits);
  const plan = profile === "pyramid" ? planPyramid : (yield loadFields()).planField;
  const decoded = yield* plan(header, container, limits, options)();
  return { ...decoded, profile, icc: container.icc?.slice() ?? null, meta: metaOf(container) };
}

/** @param {import("./internal.js").Container} container */
function metaOf({ meta }) {
  try {
    const found = meta && JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(meta));
    return found && typeof found === "object" ? found : null;
  } catch {
    return null;
  }
}

/** @type {typeof import("./types.js").decode} */
export const decode = async (bytes, options = {}) => {
  const { signal } = options;
  const steps = decodeSteps(asBytes(bytes), new Limits(options.limits), options);
  signal?.throwIfAborted();
  for (let since = now(), module; ; ) {
    const { done, value } = nextOf(steps, module);
    if (done) return value;
    module = value && (await value);
    if (now() - since < TURN) continue;
    await turn();
    signal?.throwIfAborted();
    since = now();
  }
};

/** The next step; whatever goes wrong in it is the one error of damaged files.
 * @param {ReturnType<typeof decodeSteps>} steps @param {any} module */
function nextOf(steps, module) {
  try {
    return steps.next(module);
  } catch (error) {
    const { name, message } = /** @type {Error} */ (error);
    // A module of its own has classes of its own for these errors.
    if (name === "UnsupportedError") throw new UnsupportedError(message);
    throw new FormatError(name === "FormatError" ? message : `the file cannot be decoded: ${error}`, { cause: error });
  }
}

/** @param {ArrayBuffer | Uint8Array} bytes */
export function asBytes(bytes) {
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
  if (bytes instanceof Uint8Array) return bytes;
  throw new TypeError("expected the bytes of a file, an ArrayBuffer or a Uint8Array");
}
