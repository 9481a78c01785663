/** Files that several tests read: golden files of every version, and harmful ones. */
import { readdirSync, readFileSync } from "node:fs";

const codec = new URL("../../tests/codec/", import.meta.url);

/** What each golden file decodes to. */
export const manifest = JSON.parse(readFileSync(new URL("golden/manifest.json", codec), "utf8"));
export const names = Object.keys(manifest);

/** @param {string} name */
export function golden(name) {
  return bytesOf(new URL(`golden/${name}`, codec));
}

export const corpus = readdirSync(new URL("corpus/", codec)).map((name) => ({
  name,
  bytes: bytesOf(new URL(`corpus/${name}`, codec)),
}));

/** @param {URL | string} path */
export function bytesOf(path) {
  return new Uint8Array(readFileSync(path));
}
