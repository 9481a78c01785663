/** Turns of a page, which waits for no more than one of them. */

/** Milliseconds after which a page gets a turn. */
export const TURN = 12;

export function now() {
  return performance.now();
}

/** Resolves after the events that wait; timers that follow each other would wait for 4 ms each. */
export function turn() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(null);
  });
}
