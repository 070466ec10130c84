/** One part's PUT, with upload progress, which fetch does not have. */

import { UploadError, storeError } from "./errors.js";
import { linked } from "./waiting.js";

const STALL_MS = 60_000; // while bytes go: none of them in so long, and it is given up; the next try has twice as long
const ANSWER_MS = 600_000; // after the last one: a proxy that buffers may still be sending it on,
const SLOW_BYTES_PER_MS = 50; // at this speed
const RECONNECTED_MS = 15_000; // after the network was away, a connection has so long to show that it lives
const FORBIDDEN_HEADERS = new Set(["content-length", "host"]); // the browser sets these itself

/** The longest silence that bytes have followed, in ms: on a slow line, behind a deep buffer, they move in leaps. */
let longest = 0;

/**
 * @param {string} url @param {Blob} blob @param {Record<string, string>} headers @param {AbortSignal} signal
 * @param {(bytes: number) => void} onBytes @param {number} [breaks] how often the connection broke before
 * @returns {Promise<string | null>} the ETag; null if CORS does not show it
 */
export function put(url, blob, headers, signal, onBytes, breaks = 0) {
  const allowed = Object.entries(headers).filter(([name]) => !FORBIDDEN_HEADERS.has(name.toLowerCase()));
  if (!globalThis.XMLHttpRequest) return putByFetch(url, blob, allowed, signal, onBytes);
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    let movedAt = performance.now();
    /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;
    const allow = (/** @type {number} */ milliseconds) => {
      clearTimeout(timer);
      timer = setTimeout(abort, milliseconds);
    };
    const allowAnswer = () => allow(answerMs(blob));
    const allowSilence = () => allow(Math.min(Math.max(STALL_MS, 2 * longest) * 2 ** breaks, ANSWER_MS));
    const reconnected = () => allow(RECONNECTED_MS);
    request.upload.onprogress = ({ loaded }) => {
      longest = Math.max(longest, performance.now() - movedAt);
      movedAt = performance.now();
      if (loaded < blob.size) allowSilence();
      else allowAnswer();
      onBytes(Math.min(loaded, blob.size));
    };
    request.upload.onload = allowAnswer;
    request.onloadend = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      removeEventListener("online", reconnected);
      if (signal.aborted) reject(signal.reason);
      else if (request.status >= 200 && request.status < 300) resolve(request.getResponseHeader("ETag"));
      else reject(storeError(request.status, request.responseText));
    };
    signal.addEventListener("abort", abort);
    addEventListener("online", reconnected);
    request.open("PUT", url);
    for (const [name, value] of allowed) request.setRequestHeader(name, value);
    request.send(blob);
    // What an app's service worker passes on tells of no progress: https://github.com/w3c/ServiceWorker/issues/1141
    if (globalThis.navigator?.serviceWorker?.controller) allowAnswer();
    else allowSilence();
  });
}

/** @param {Blob} blob */
const answerMs = (blob) => ANSWER_MS + blob.size / SLOW_BYTES_PER_MS;

/** Where there is no XMLHttpRequest (a service worker, Node): a part's bytes count when it has arrived.
 * @param {string} url @param {Blob} body @param {[string, string][]} headers @param {AbortSignal} signal
 * @param {(bytes: number) => void} onBytes */
async function putByFetch(url, body, headers, signal, onBytes) {
  const limit = linked(signal);
  const timer = setTimeout(() => limit.abort("late"), answerMs(body));
  try {
    const response = await fetch(url, { method: "PUT", body, headers, signal: limit.signal });
    const text = await response.text();
    if (!response.ok) throw storeError(response.status, text);
    onBytes(body.size);
    return response.headers.get("ETag");
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof UploadError ? error : storeError(0, "");
  } finally {
    clearTimeout(timer);
    limit.unlink();
  }
}

/** A network failure may be a file that was changed, moved or unplugged: that cannot be tried again.
 * @param {Blob} blob */
export async function checkReadable(blob) {
  try {
    await blob.slice(0, 1).arrayBuffer();
  } catch {
    throw otherFile();
  }
}

/** What is there is not what was registered. */
export const otherFile = () =>
  new UploadError("FILE_UNREADABLE", "The file has changed, or is no longer where it was: choose it again.");
