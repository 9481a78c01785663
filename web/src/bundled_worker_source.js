/** In a bundle, `inrWeb` is the function that all files are in, and a worker runs it. */
export const WORKER_TYPE = "classic";

export function workerSource() {
  // @ts-ignore: the function around the bundle
  return `(${inrWeb})().serve(self)`;
}
