/** Requests to the API: the token, the server's clock, and trying again. */

import { UploadError, refusal } from "./errors.js";
import { Reach, isAddress } from "./reach.js";
import { backoffMs, isOffline, linked, pause, unlessAborted } from "./waiting.js";

/** @typedef {import("./types.js").Token} Token @typedef {import("./types.js").TokenQuestion} TokenQuestion */
/** @typedef {{ signal?: AbortSignal, onWait?: () => void, attempts?: number, needs?: string }} CallOptions
 *   `needs`: what the answer has, if it is the API's */

const SESSIONS = "/api/mocs/uploads/sessions";
const ANSWER_MS = 60_000; // an API call that is not answered in so long is given up, and tried again
const MAX_RETRY_AFTER_MS = 60_000;
const OFFLINE_MS = 20_000; // a browser that calls itself offline may be wrong

export class Api {
  #baseUrl;
  #getToken;
  #attempts;
  /** @type {{ serverMs: number, at: number } | null} */ #clock = null;
  /** @type {Promise<Token> | null} */ #renewing = null;
  reach = new Reach();

  /**
   * @param {string} baseUrl
   * @param {(question: TokenQuestion) => Token | Promise<Token>} getToken
   * @param {number} attempts how often one request is tried
   */
  constructor(baseUrl, getToken, attempts) {
    this.#baseUrl = baseUrl.replace(/\/$/, "");
    this.#getToken = getToken;
    this.#attempts = attempts;
  }

  /**
   * @param {string} method @param {string} path below the sessions @param {object} [body]
   * @param {CallOptions} [options] @returns {Promise<any>}
   */
  call(method, path, body, options = {}) {
    return this.retry(() => this.#callOnce(method, path, body, options), options);
  }

  /** The server's time in ms, as far as it has been told; a change of this computer's clock does not matter. */
  serverNow() {
    return this.#clock ? this.#clock.serverMs + performance.now() - this.#clock.at : Date.now();
  }

  /**
   * Try until it succeeds, fails for good, or has failed too often; time spent offline does not count. It is tried
   * offline, too: a server on this computer needs no network.
   * @template T @param {() => Promise<T>} attempt @param {CallOptions} [options] @returns {Promise<T>}
   */
  async retry(attempt, { signal, onWait = () => {}, attempts = this.#attempts } = {}) {
    for (let failures = 0; ; ) {
      signal?.throwIfAborted();
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof UploadError) || !error.isTransient) throw error;
        const isAway = isOffline() && !error.status; // a server on this computer answers all the same
        if ((!isAway && ++failures >= attempts) || attempts === 1) throw error;
        onWait();
        await pause(isAway ? OFFLINE_MS : Math.min(error.retryAfterMs ?? backoffMs(failures), MAX_RETRY_AFTER_MS), signal);
      }
    }
  }

  /** @param {string} method @param {string} path @param {object | undefined} body @param {CallOptions} options */
  async #callOnce(method, path, body, { signal, needs }) {
    const token = await this.#tokenOf(() => this.#ask(false), signal);
    let { response, text } = await this.#fetch(method, path, body, token, signal);
    if (response.status === 401) {
      const other = await this.#tokenOf(() => this.#otherToken(token), signal);
      if (other && other !== token) ({ response, text } = await this.#fetch(method, path, body, other, signal));
    }
    if (!response.ok) throw refusal(response, text);
    const answer = this.#parse(text, response, needs);
    this.#learnTime(response, answer);
    return answer;
  }

  /** @param {boolean} refused */
  async #ask(refused) {
    return this.#getToken({ refused });
  }

  /** The app's answer, which may take as long as somebody needs to sign in, or fail with the network.
   * @param {() => Promise<Token>} question @param {AbortSignal} [signal] */
  async #tokenOf(question, signal) {
    try {
      return await unlessAborted(question(), signal);
    } catch (error) {
      signal?.throwIfAborted();
      const isNetwork = isOffline() || error instanceof TypeError; // which is what a fetch fails with
      throw isNetwork ? new UploadError("NETWORK", "There is no access token: asking for one failed.", { cause: error }) : error;
    }
  }

  /** The token after a refused one: one renewal for all requests that were refused. @param {Token} token */
  async #otherToken(token) {
    const current = this.#renewing ?? (await this.#ask(false));
    if (current !== token) return current;
    this.#renewing ??= this.#ask(true).finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  /** @param {string} method @param {string} path @param {object | undefined} body @param {Token} token @param {AbortSignal} [signal] */
  async #fetch(method, path, body, token, signal) {
    const url = this.#baseUrl + SESSIONS + path;
    if (!isAddress(url)) throw new UploadError("UNEXPECTED", "The upload service has no address here: give UploadClient a `baseUrl` that begins with https://.");
    const headers = headersFor(token);
    if (body) headers.set("Content-Type", "application/json");
    const limit = linked(signal);
    const timer = setTimeout(() => limit.abort("late"), ANSWER_MS);
    const startedAt = performance.now();
    try {
      const response = await fetch(url, {
        method, headers, body: body && JSON.stringify(body), cache: "no-store", signal: limit.signal,
      });
      this.reach.heard(url);
      return { response, text: await response.text() };
    } catch {
      signal?.throwIfAborted();
      throw await this.reach.nameFailure(url, startedAt, {
        message: "The upload service cannot be reached.", remedy: "its ALLOWED_ORIGINS must name this origin.",
        open: `${this.#baseUrl}/upload-client.js`,
      });
    } finally {
      clearTimeout(timer);
      limit.unlink();
    }
  }

  /** @param {string} text @param {Response} response @param {string} [needs] */
  #parse(text, { status }, needs) {
    try {
      const answer = text ? JSON.parse(text) : undefined;
      if (!needs || needs in answer) return answer;
    } catch { /* it is no JSON, or no object */ }
    const message = "Something else than the upload service answered: check the address of the API.";
    throw new UploadError("UNEXPECTED", message, { status });
  }

  /** From the `Date` header; if that cannot be read, from when an answer's URLs were signed.
   * @param {Response} response @param {any} answer */
  #learnTime(response, answer) {
    const urls = answer?.presignedUrls ?? answer?.results?.find((/** @type {any} */ one) => one.presignedUrls?.length)?.presignedUrls;
    const date = Date.parse(response.headers.get("Date") ?? "") || signingTime(urls?.[0]?.url);
    if (date) this.#clock = { serverMs: date, at: performance.now() };
  }
}

/** @param {Token} token */
function headersFor(token) {
  try {
    return new Headers(token ? { Authorization: `Bearer ${token}` } : {});
  } catch {
    throw new UploadError("TOKEN_INVALID", "The access token has characters that no token has.", { status: 401 });
  }
}

/** @param {string} [url] a presigned one @returns {number} ms; NaN if it does not say */
function signingTime(url) {
  const [, y, mo, d, h, m, s] = /[?&]X-Amz-Date=(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(url ?? "") ?? [];
  return Date.parse(`${y}-${mo}-${d}T${h}:${m}:${s}Z`);
}
