/** Waiting, and being told to stop; whatever listens here stops listening when it is over. */

import { LONGEST_PAUSE_MS } from "./errors.js";

/** A promise that an abort ends early. @template T @param {Promise<T>} promise @param {AbortSignal} [signal] @returns {Promise<T>} */
export function unlessAborted(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop);
  });
}

/** A signal that aborts when one of several does; `unlink` when it is no longer needed.
 * @param {(AbortSignal | undefined)[]} signals */
export function linked(...signals) {
  const controller = new AbortController();
  const undo = signals.map((signal) => {
    const stop = () => controller.abort(signal?.reason);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop);
    return () => signal?.removeEventListener("abort", stop);
  });
  return {
    signal: controller.signal,
    abort: (/** @type {unknown} */ reason) => controller.abort(reason),
    unlink: () => undo.forEach((one) => one()),
  };
}

export function isOffline() {
  return globalThis.navigator?.onLine === false;
}

/** Wait; the network coming back ends it early. @param {number} milliseconds @param {AbortSignal} [signal] */
export async function pause(milliseconds, signal) {
  let end = () => {};
  try {
    await unlessAborted(new Promise((done) => {
      const timer = setTimeout(done, milliseconds);
      globalThis.addEventListener?.("online", done); // Node has none
      end = () => {
        clearTimeout(timer);
        globalThis.removeEventListener?.("online", done);
      };
    }), signal);
  } finally {
    end();
  }
}

/** @param {number} failures so far @returns {number} exponential, with full jitter, so that clients spread out */
export function backoffMs(failures) {
  return 200 + Math.random() * Math.min(LONGEST_PAUSE_MS, 500 * 2 ** failures);
}
