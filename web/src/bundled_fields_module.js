/** Beside a bundle lies the module of fields; `inrWeb` is the function that all files of the bundle are in. */
import { UnsupportedError } from "./errors.js";

/** @returns {Promise<any>} */
export function loadFields() {
  // @ts-ignore: the function around the bundle
  const address = inrWeb.fields;
  if (!address) throw new UnsupportedError("this decoder knows pictures of the profile pyramid only");
  return import(address);
}
