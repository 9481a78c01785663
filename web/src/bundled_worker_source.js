/** In a bundle, `inrWeb` is the function that all files are in, and a worker runs it. */
export const WORKER_TYPE = "classic";

export function workerSource() {
  // @ts-ignore: the function around the bundle
  const whole = inrWeb;
  return `${whole};inrWeb.fields=${JSON.stringify(whole.fields)};inrWeb().serve(self)`;
}
