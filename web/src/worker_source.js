/** The text of a worker that decodes. A bundle has another file in this place, with its own text in it. */
export const WORKER_TYPE = "module";

export function workerSource() {
  return `import ${JSON.stringify(new URL("./serve.js", import.meta.url).href)};`;
}
