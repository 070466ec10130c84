/** Tells a server that does not allow this page (CORS) from one that is not there: a browser says neither. */

import { UploadError } from "./errors.js";

const PROBE_MS = 5000;
const PAUSE_MS = 300; // after the first failure, and three times as long after each other one
const SURE = 2; // failures in a row of a server that shows this page something else,
const LIKELY = 3; // and of one that is there: what a gateway says in place of a busy server has no CORS headers either

export class Reach {
  /** @type {Set<string>} */ #answered = new Set(); // origins that CORS let us hear
  /** @type {Map<string, { count: number, ups: number, at: number }>} */ #unheard = new Map(); // an origin's failures in a row

  /** It answered, so a later failure is the network's. @param {string} url */
  heard(url) {
    this.#answered.add(originOf(url));
  }

  /**
   * The error for a request that ended without an answer: CORS, when a request that needs no permission gets
   * through to the same server, some times in a row; else the network. What breaks together is one failure.
   * @param {string} url @param {number} startedAt when the request began
   * @param {{ message: string, remedy: string, open?: string }} about what to say of the network, and of CORS;
   *   `open` is what the server shows to everybody
   */
  async nameFailure(url, startedAt, { message, remedy, open }) {
    const origin = originOf(url);
    const network = new UploadError("NETWORK", message);
    const here = globalThis.origin; // Node has none, and no CORS
    if (!here || origin === here || this.#answered.has(origin)) return network;
    const isUp = open !== undefined && (await answers(open, "cors"));
    if (!isUp && !(await answers(origin, "no-cors"))) return network;
    const known = this.#unheard.get(origin) ?? { count: 0, ups: 0, at: -Infinity };
    if (startedAt > known.at) {
      known.count++;
      if (isUp) known.ups++;
      known.at = performance.now();
      this.#unheard.set(origin, known);
    }
    if (known.ups < SURE && known.count < LIKELY) {
      return new UploadError("NETWORK", message, { retryAfterMs: PAUSE_MS * 3 ** (known.count - 1) });
    }
    return new UploadError("CORS", `${origin} does not allow requests from ${here}: ${remedy}`, { details: { origin } });
  }
}

/** @param {string} url @param {"cors" | "no-cors"} mode with which a status is read, and without it is not */
async function answers(url, mode) {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), PROBE_MS);
  try {
    const { ok } = await fetch(url, { mode, cache: "no-store", credentials: "omit", signal: giveUp.signal });
    return ok || mode === "no-cors";
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** @param {string} url */
function originOf(url) {
  return resolved(url).origin;
}

/** As fetch resolves it: a frame or a window that a page has written has that page's base. @param {string} url */
function resolved(url) {
  return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
}

/** Whether a request can go there at all: not to a file, nor from where there is no page to `/api` (Node, a blob: worker),
 * nor to `localhost:3001`, whose scheme would be "localhost". @param {string} url */
export function isAddress(url) {
  try {
    const { protocol } = resolved(url);
    return /^https?:$/.test(protocol) || (protocol !== "file:" && protocol === globalThis.location?.protocol);
  } catch {
    return false;
  }
}
