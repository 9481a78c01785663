/** `node decode_files.js FILE ...`: one line of JSON for each file, its digest or its error, and the values in FILE.raw. */
import { readFileSync, writeFileSync } from "node:fs";
import { decode } from "../src/index.js";

for (const path of process.argv.slice(2)) {
  let line;
  try {
    const { data, ...rest } = await decode(new Uint8Array(readFileSync(path)));
    writeFileSync(`${path}.raw`, new Uint8Array(data.buffer));
    line = { ...rest, icc: rest.icc && Array.from(rest.icc) };
  } catch (error) {
    line = { error: error instanceof Error ? error.name : String(error) };
  }
  console.log(JSON.stringify(line));
}
