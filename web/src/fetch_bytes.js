/** The bytes of a file at an address. Rejects with an Error for a failed request.
 * @param {string} address @param {AbortSignal} [signal] */
export async function fetchBytes(address, signal) {
  const response = await fetch(address, { signal });
  if (!response.ok) throw new Error(`${address}: ${response.status} ${response.statusText}`);
  return response.arrayBuffer();
}
