/** `node decode_files.js FILE ...`: for each file one line of JSON, what it is or its error; its values are written to
 * FILE.raw, and what a canvas shows of them to FILE.rgba. */
import { readFileSync, writeFileSync } from "node:fs";
import { decode, paint } from "../src/index.js";

for (const path of process.argv.slice(2)) {
  let line;
  try {
    const decoded = await decode(new Uint8Array(readFileSync(path)));
    const { data: painted, colorSpace, note } = paint(decoded);
    const { data, icc, ...rest } = decoded;
    writeFileSync(`${path}.raw`, new Uint8Array(data.buffer));
    writeFileSync(`${path}.rgba`, painted);
    line = { ...rest, icc: icc && Array.from(icc), colorSpace, note };
  } catch (error) {
    line = { error: error instanceof Error ? error.name : String(error) };
  }
  console.log(JSON.stringify(line));
}
