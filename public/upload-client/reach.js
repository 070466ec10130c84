/** Tells a server that does not allow this page (CORS) from one that is not there: a browser says neither. */

import { UploadError } from "./errors.js";

const PROBE_MS = 5000;

export class Reach {
  /** @type {Set<string>} */ #answered = new Set(); // origins that CORS let us hear
  /** @type {Map<string, number>} */ #unheard = new Map(); // failures in a row of an origin that is there

  /** It answered, so a later failure is the network's. @param {string} url */
  heard(url) {
    this.#answered.add(originOf(url));
  }

  /**
   * The error for a request that ended without an answer: CORS, when a request that needs no permission gets
   * through to the same origin, twice in a row; else the network.
   * @param {string} url @param {string} message what to say of the network @param {string} remedy of CORS
   */
  async nameFailure(url, message, remedy) {
    const origin = originOf(url);
    const network = new UploadError("NETWORK", message);
    if (origin === globalThis.origin || this.#answered.has(origin)) return network;
    if (!(await isThere(origin))) return network;
    const unheard = (this.#unheard.get(origin) ?? 0) + 1;
    this.#unheard.set(origin, unheard);
    if (unheard < 2) return new UploadError("NETWORK", message, { retryAfterMs: 300 });
    const page = globalThis.origin ?? "this page";
    return new UploadError("CORS", `${origin} does not allow requests from ${page}: ${remedy}`, { details: { origin } });
  }
}

/** @param {string} origin */
async function isThere(origin) {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), PROBE_MS);
  try {
    await fetch(origin, { mode: "no-cors", cache: "no-store", credentials: "omit", signal: giveUp.signal });
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** As fetch resolves it: a frame or a window that a page has written has that page's base. @param {string} url */
function originOf(url) {
  return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).origin;
}
