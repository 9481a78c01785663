/** The file around a payload: magic, version, length, chunks and checksums (FORMAT.md, section 1). */
import { crc32c } from "./checksums.js";
import { FormatError } from "./errors.js";
import { Reader } from "./reader.js";

const MAGIC = [0x89, 0x49, 0x4e, 0x52, 0x0d, 0x0a, 0x1a, 0x0a];
const CRITICAL = ["FHDR", "ARCH", "QNTB", "DATA", "HASH"];
const HEAD_BYTES = 20;
const COMPACT = 4;

/** The chunks of a file.
 * @param {Uint8Array} data @param {import("./limits.js").Limits} limits
 * @returns {import("./internal.js").Container} */
export function readContainer(data, limits) {
  if (MAGIC.some((byte, i) => data[i] !== byte)) throw new FormatError("not an .inrz file");
  if (data.length < HEAD_BYTES) throw new FormatError("the file is truncated");
  const head = new Reader(data.subarray(8, HEAD_BYTES), "the head");
  const major = head.u8();
  const minor = head.u8();
  const flags = head.u16();
  const length = head.u32();
  const checksum = head.u32();
  const isCompact = (flags & COMPACT) > 0;
  if (major !== 1) throw new FormatError(`the file is of format version ${major}.${minor}, expected 1`);
  if (length !== data.length) throw new FormatError(`the file has ${data.length} bytes, its head states ${length}`);
  limits.check("file_bytes", length);
  const covered = isCompact ? data.subarray(HEAD_BYTES) : data.subarray(0, 0);
  if (checksum !== crc32c(data.subarray(0, 16), covered)) throw new FormatError("the file's checksum is wrong");
  if (flags & ~COMPACT) throw new FormatError(`the file has flags ${flags}, which this decoder does not know`);
  const body = new Reader(data.subarray(HEAD_BYTES), "the file");
  const parts = isCompact ? readCompact(body) : readPlain(body);
  const [icc, meta] = ["iccp", "meta"].map((name) => parts.get(name) ?? null);
  limits.check("icc_bytes", icc?.length ?? 0);
  limits.check("meta_bytes", meta?.length ?? 0);
  const [header, arch, table, content, hash] = CRITICAL.map((name) => /** @type {Uint8Array} */ (parts.get(name)));
  const profile = new Reader(arch, "the architecture").u16();
  return { header, profile, arch: arch.subarray(2), table, data: content, hash, icc, meta };
}

/** @param {Reader} body */
function readPlain(body) {
  /** @type {Map<string, Uint8Array>} */
  const parts = new Map();
  for (;;) {
    const start = body.at;
    const name = chunkName(body);
    const part = body.take(body.u32());
    if (body.u32() !== crc32c(body.data.subarray(start, start + 4), part)) {
      throw new FormatError(`the checksum of chunk ${name} is wrong`);
    }
    if (name !== "IEND") {
      keep(parts, name, part);
      continue;
    }
    if (part.length) throw new FormatError("chunk IEND is not empty");
    body.end();
    if (CRITICAL.some((kind) => !parts.has(kind))) throw new FormatError("the file has too few chunks");
    if (parts.get("HASH")?.length !== 32) throw new FormatError("chunk HASH has not 32 bytes");
    return parts;
  }
}

/** @param {Reader} body */
function readCompact(body) {
  /** @type {Map<string, Uint8Array>} */
  const parts = new Map();
  for (const name of CRITICAL) parts.set(name, body.take(name === "HASH" ? 16 : body.varint()));
  while (body.left) keep(parts, chunkName(body), body.take(body.varint()));
  return parts;
}

/** @param {Reader} body */
function chunkName(body) {
  const name = String.fromCharCode(...body.take(4));
  if (!/^[A-Za-z]{4}$/.test(name)) throw new FormatError("a chunk's type is not four letters");
  return name;
}

/** Keep a chunk. Critical ones come first, each once and in order; unknown ancillary chunks are ignored.
 * @param {Map<string, Uint8Array>} parts @param {string} name @param {Uint8Array} part */
function keep(parts, name, part) {
  const expected = CRITICAL.find((kind) => !parts.has(kind));
  if (name !== expected && (expected || name[0] <= "Z")) {
    throw new FormatError(`found chunk ${name}, expected ${expected ?? "an ancillary chunk"}`);
  }
  if (name === expected || name === "iccp" || name === "meta") {
    if (parts.has(name)) throw new FormatError(`the file has two chunks ${name}`);
    parts.set(name, part);
  }
}
