/** The module for files that hold a field, which is loaded when one comes. A bundle has another file in this place. */

export function loadFields() {
  return import("./fields.js");
}
