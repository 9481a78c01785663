/** `node decode_files.js FILE ...`: for each file one line of JSON, what it is or its error; its values are written to
 * FILE.raw (of a shape: its distances on a lattice of 5^3 points), and what a canvas shows of a picture to FILE.rgba. */
import { readFileSync, writeFileSync } from "node:fs";
import { distances } from "../src/fields.js";
import { decode, paint } from "../src/index.js";

for (const path of process.argv.slice(2)) {
  let line;
  try {
    const { data, field, icc, ...rest } = await decode(new Uint8Array(readFileSync(path)));
    line = { ...rest, icc: icc && Array.from(icc) };
    if (rest.kind === "image") {
      const { data: painted, colorSpace, note } = paint({ ...rest, data, icc });
      writeFileSync(`${path}.rgba`, painted);
      Object.assign(line, { colorSpace, note });
    }
    const parts = field ? [distances({ ...rest, field }, lattice(rest, 5))] : [data].flat();
    writeFileSync(`${path}.raw`, Buffer.concat(parts.map(({ buffer }) => new Uint8Array(buffer))));
  } catch (error) {
    line = { error: error instanceof Error ? error.name : String(error), message: String(error?.message) };
  }
  console.log(JSON.stringify(line));
}

/** Centres of n^3 cells of a cube, the last axis fastest.
 * @param {{low: number[], side: number}} box @param {number} n */
function lattice({ low, side }, n) {
  return Array.from({ length: n ** 3 }, (_, i) => [Math.floor(i / n ** 2), Math.floor(i / n) % n, i % n])
    .flat()
    .map((k, i) => low[i % 3] + (side * (k + 0.5)) / n);
}
