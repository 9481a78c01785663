/** In the bundle of the element, which is one module: a worker imports the same file. */
export const LATTICE_WORKER_TYPE = "module";

export function latticeWorkerSource() {
  return `import { serveLattices } from ${JSON.stringify(import.meta.url)}; serveLattices(self);`;
}
