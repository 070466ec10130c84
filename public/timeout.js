// @ts-check
/** `AbortSignal.timeout`, for browsers that lack it. */

/** @param {number} milliseconds */
export function timeoutSignal(milliseconds) {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), milliseconds);
  return controller.signal;
}
