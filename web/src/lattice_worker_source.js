/** The text of a worker that samples shapes. The bundle has another file in this place, which names the bundle itself. */
export const LATTICE_WORKER_TYPE = "module";

export function latticeWorkerSource() {
  const address = new URL("./shape_lattice.js", import.meta.url).href;
  return `import { serveLattices } from ${JSON.stringify(address)}; serveLattices(self);`;
}
