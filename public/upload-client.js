// @ts-check
/**
 * The protocol of the upload-session API, for a browser: register many files at once, send their parts in
 * parallel straight to S3, report, resume, complete, abort. One file, no dependencies, no build.
 *
 * @typedef {{ sessionId: string, partSizeBytes: number, expiresAt?: string, maxFiles?: number }} Session
 * @typedef {{ fileId: string, fileKey: string, name: string, category: string, sizeBytes: number,
 *   status: "pending" | "completed" | "failed", partCount: number, recordedPartCount: number,
 *   fileUrl?: string }} FileSummary
 * @typedef {Session & { status: "active" | "expired" | "cancelled", files: FileSummary[] }} SessionDetail
 * @typedef {{ partNumber: number, url: string, expiresAt: string, sizeBytes: number,
 *   headers: Record<string, string> }} PresignedPart
 * @typedef {{ file: File, fileId?: string, fileKey?: string, category?: string, type?: string }} Choice
 *   A file to register. Choose the `fileId` (a UUID) yourself to be able to ask again after a lost answer.
 * @typedef {{ sessionId: string, fileId: string, file: File, partCount?: number, partSizeBytes?: number,
 *   presignedUrls?: PresignedPart[] }} Upload
 *   What `upload` needs. Without URLs it asks which parts are missing: that is a resume.
 * @typedef {Upload & { error?: UploadError }} Registration
 * @typedef {"queued" | "uploading" | "waiting" | "completing" | "completed"} State
 *   `waiting`: the network or the server is away, and it is tried again.
 * @typedef {{ fileId: string, state: State, sentBytes: number, totalBytes: number, partSizeBytes: number,
 *   sentByPart: number[] }} Progress
 *   `sentByPart[0]` is how many bytes of part 1 have gone.
 * @typedef {{ fileId: string, fileUrl: string, sizeBytes: number, etag: string }} CompletedFile
 * @typedef {{ signal?: AbortSignal, onProgress?: (progress: Progress) => void }} UploadOptions
 * @typedef {{ partNumber: number, etag: string }} ReportedPart
 * @typedef {{ fileId: string, status: string, partCount: number, partSizeBytes: number,
 *   parts: { partNumber: number }[], missingPartNumbers: number[], presignedUrls?: PresignedPart[] }} PartsAnswer
 */

const SESSIONS = "/api/mocs/uploads/sessions";
const BATCH_SIZE = 10; // the API's default MAX_BATCH_SIZE; a smaller one is learnt from its refusal
const REPORT_SIZE = 8; // parts in one report
const STALL_MS = 60_000; // a request that moves no byte for so long is given up, and tried again
const LONGEST_PAUSE_MS = 20_000;
const FORBIDDEN_HEADERS = new Set(["content-length", "host"]); // the browser sets these itself
const TYPES = /** @type {Record<string, string>} */ ({
  pdf: "application/pdf", csv: "text/csv", xml: "application/xml", txt: "text/plain",
  xls: "application/vnd.ms-excel",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  jpg: "image/jpeg", jpeg: "image/jpeg", png: "image/png", webp: "image/webp", gif: "image/gif",
});

/** A failure that somebody should read: `reason` is for programs, `message` for people. */
export class UploadError extends Error {
  /**
   * @param {string} reason the API's own, or NETWORK, STORE_REFUSED, STORE_FAILED, FILE_UNREADABLE
   * @param {string} message
   * @param {{ status?: number, details?: Record<string, any>, requestId?: string, retryAfterMs?: number }} [more]
   */
  constructor(reason, message, { status = 0, details = {}, requestId, retryAfterMs } = {}) {
    super(message);
    this.name = "UploadError";
    this.reason = reason;
    this.status = status;
    this.details = details;
    this.requestId = requestId;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may succeed later. */
  get isTransient() {
    if (this.reason === "NETWORK" || this.reason === "STORE_FAILED") return true;
    return this.status >= 500 || (this.status === 429 && (this.retryAfterMs ?? Infinity) <= LONGEST_PAUSE_MS);
  }
}

/** One user of the API. `parallel` limits the parts under way, over all files. */
export class UploadClient {
  #baseUrl;
  #getToken;
  #attempts;
  #slots;
  #batchSize = BATCH_SIZE;
  #clockOffsetMs = 0; // the server's clock minus ours

  /**
   * @param {{ baseUrl?: string, getToken?: () => string | null | undefined | Promise<string | null | undefined>,
   *   parallel?: number, attempts?: number }} [options]
   */
  constructor({ baseUrl = "", getToken = () => null, parallel = 4, attempts = 8 } = {}) {
    this.#baseUrl = baseUrl.replace(/\/$/, "");
    this.#getToken = getToken;
    this.#attempts = attempts;
    this.#slots = new Slots(parallel);
  }

  /** @param {{ maxFiles?: number, metadata?: object }} [body] @param {AbortSignal} [signal] @returns {Promise<Session>} */
  createSession(body = {}, signal) {
    return this.#call("POST", "", body, { signal });
  }

  /** @param {string} sessionId @param {AbortSignal} [signal] @returns {Promise<SessionDetail>} */
  getSession(sessionId, signal) {
    return this.#call("GET", `/${sessionId}`, undefined, { signal });
  }

  /** Abort every unfinished upload of a session. @param {string} sessionId */
  async cancelSession(sessionId) {
    await gone(this.#call("DELETE", `/${sessionId}`));
  }

  /** Abort one upload, and forget the file. @param {string} sessionId @param {string} fileId */
  async abortFile(sessionId, fileId) {
    await gone(this.#call("DELETE", `/${sessionId}/files/${fileId}`));
  }

  /**
   * Register files, in as few requests as the API allows; a refused one bears its `error`, the others go on.
   * @param {Session} session @param {Choice[]} choices @param {AbortSignal} [signal]
   * @returns {Promise<Registration[]>} in the order of the choices
   */
  async register(session, choices, signal) {
    const items = choices.map((choice) => ({ ...choice, fileId: choice.fileId ?? crypto.randomUUID() }));
    const registrations = [];
    while (registrations.length < items.length) {
      const some = items.slice(registrations.length, registrations.length + this.#batchSize);
      const files = some.map((item) => metadataOf(item, session.partSizeBytes));
      try {
        const { results } = await this.#call("POST", `/${session.sessionId}/files/batch`, { files }, { signal });
        registrations.push(...some.map((item, i) => registrationOf(session, item, results[i])));
      } catch (error) {
        const allowed = error instanceof UploadError ? Number(error.details.maxBatchSize) : NaN;
        if (!(allowed >= 1 && allowed < this.#batchSize)) throw error;
        this.#batchSize = allowed;
      }
    }
    return registrations;
  }

  /**
   * Send what is missing of a registered file, and complete it.
   * @param {Upload} upload @param {UploadOptions} [options] @returns {Promise<CompletedFile>}
   */
  async upload(upload, { signal, onProgress } = {}) {
    const stop = new AbortController(); // one part that fails for good ends the others
    const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    /** @type {Transfer} */
    const transfer = new Transfer({
      upload, signal: both, onProgress: onProgress ?? (() => {}), slots: this.#slots,
      now: () => Date.now() + this.#clockOffsetMs,
      call: (method, path, body) =>
        this.#call(method, `/${upload.sessionId}/files/${upload.fileId}${path}`, body,
          { signal: both, onWait: () => transfer.say("waiting") }),
      retry: (attempt) => this.#retry(attempt, both, () => transfer.say("waiting")),
    });
    try {
      return await Promise.race([transfer.run(), rejectedBy(both)]);
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  }

  /**
   * @param {string} method @param {string} path below the sessions @param {object} [body]
   * @param {{ signal?: AbortSignal, onWait?: () => void }} [options] @returns {Promise<any>}
   */
  #call(method, path, body, { signal, onWait } = {}) {
    return this.#retry(() => this.#callOnce(method, path, body, signal), signal, onWait);
  }

  /** @param {string} method @param {string} path @param {object} [body] @param {AbortSignal} [signal] */
  async #callOnce(method, path, body, signal) {
    const token = await this.#getToken();
    const timeout = AbortSignal.timeout(STALL_MS);
    /** @type {Record<string, string>} */
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    if (body) headers["Content-Type"] = "application/json";
    let response, text;
    try {
      response = await fetch(this.#baseUrl + SESSIONS + path, {
        method, headers, body: body && JSON.stringify(body), cache: "no-store",
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      text = await response.text();
    } catch {
      signal?.throwIfAborted();
      throw new UploadError("NETWORK", "The upload service cannot be reached.");
    }
    const date = Date.parse(response.headers.get("Date") ?? "");
    if (date) this.#clockOffsetMs = date - Date.now();
    if (!response.ok) throw refusal(response, text);
    return text ? JSON.parse(text) : undefined;
  }

  /**
   * Try until it succeeds, fails for good, or has failed too often; time spent offline does not count.
   * @template T @param {() => Promise<T>} attempt @param {AbortSignal} [signal] @param {() => void} [onWait]
   * @returns {Promise<T>}
   */
  async #retry(attempt, signal, onWait = () => {}) {
    for (let failures = 0; ; ) {
      signal?.throwIfAborted();
      if (isOffline()) {
        onWait();
        await untilOnline(signal);
      }
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof UploadError) || !error.isTransient) throw error;
        if (!isOffline() && ++failures >= this.#attempts) throw error;
        onWait();
        await pause(error.retryAfterMs ?? backoffMs(failures), signal);
      }
    }
  }
}

/** One file on its way. */
class Transfer {
  /** @type {Map<number, PresignedPart>} */ #urls = new Map();
  /** @type {ReportedPart[]} */ #unreported = [];
  /** @type {Promise<unknown>} */ #reporting = Promise.resolve();
  /** @type {Promise<PartsAnswer> | null} */ #asking = null;
  /** @type {State} */ #state = "queued";
  /** @type {number[]} */ #sentByPart = [];
  #sentBytes = 0;
  #partSize = 0;

  /**
   * @param {{ upload: Upload, signal: AbortSignal, onProgress: (progress: Progress) => void, slots: Slots,
   *   now: () => number, call: (method: string, path: string, body?: object) => Promise<any>,
   *   retry: <T>(attempt: () => Promise<T>) => Promise<T> }} tools
   */
  constructor(tools) {
    this.tools = tools;
  }

  /** @returns {Promise<CompletedFile>} */
  async run() {
    const { upload, slots, signal, call } = this.tools;
    const missing = upload.presignedUrls ? this.#begin(upload) : this.#resume(await this.#askForParts(1));
    this.say("queued");
    const worker = async () => {
      for (let part = missing.shift(); part !== undefined; part = missing.shift()) {
        const number = part;
        await slots.use(() => this.#send(number), signal);
      }
    };
    await Promise.all(Array.from({ length: Math.min(slots.count, missing.length) }, worker));
    this.#report(1);
    await this.#reporting;
    this.say("completing");
    const completed = await call("POST", "/complete", {});
    this.say("completed");
    return completed;
  }

  /** @param {State} state */
  say(state) {
    this.#state = state;
    const { upload, onProgress } = this.tools;
    onProgress({
      fileId: upload.fileId, state, sentBytes: this.#sentBytes, totalBytes: upload.file.size,
      partSizeBytes: this.#partSize, sentByPart: this.#sentByPart,
    });
  }

  /** Everything is missing. @param {Upload} upload @returns {number[]} */
  #begin({ presignedUrls = [], partCount = 0, partSizeBytes = 0 }) {
    this.#partSize = partSizeBytes;
    this.#sentByPart = Array(partCount).fill(0);
    presignedUrls.forEach((entry) => this.#urls.set(entry.partNumber, entry));
    return this.#sentByPart.map((_, i) => i + 1);
  }

  /** @param {PartsAnswer} answer @returns {number[]} the part numbers that are missing */
  #resume({ partCount, partSizeBytes, missingPartNumbers }) {
    this.#partSize = partSizeBytes;
    const missing = new Set(missingPartNumbers);
    this.#sentByPart = Array.from({ length: partCount }, (_, i) => (missing.has(i + 1) ? 0 : this.#sizeOf(i + 1)));
    this.#sentBytes = this.#sentByPart.reduce((sum, bytes) => sum + bytes, 0);
    return missingPartNumbers;
  }

  /** Ask what is missing, with fresh URLs; one question for all parts that wait for it. @param {number} fromPart */
  #askForParts(fromPart) {
    this.#asking ??= this.tools
      .call("GET", `/parts?presign=true&fromPart=${fromPart}`)
      .then((answer) => {
        for (const entry of answer.presignedUrls ?? []) this.#urls.set(entry.partNumber, entry);
        return answer;
      })
      .finally(() => (this.#asking = null));
    return this.#asking;
  }

  /** @param {number} part @returns {Promise<PresignedPart>} a URL that has not expired */
  async #urlFor(part) {
    for (let asked = 0; ; asked++) {
      const entry = this.#urls.get(part);
      if (entry && !this.#isExpired(entry)) return entry;
      // The second time: a question that others had asked may have begun behind this part.
      if (asked === 2) throw new UploadError("STORE_REFUSED", "No address to send the next part to: try again.");
      await this.#askForParts(part);
    }
  }

  /** @param {PresignedPart} entry */
  #isExpired(entry) {
    return this.tools.now() >= Date.parse(entry.expiresAt);
  }

  /** Send one part, with a fresh URL where the one it had expired on the way; once. @param {number} part */
  async #send(part) {
    let renewed = false;
    const etag = await this.tools.retry(async () => {
      const entry = await this.#urlFor(part);
      try {
        return await this.#put(part, entry);
      } catch (error) {
        const refused = error instanceof UploadError && error.status === 403;
        if (!refused || renewed || !this.#isExpired(entry)) throw error;
        renewed = true;
        return await this.#put(part, await this.#urlFor(part));
      }
    });
    this.#sent(part, this.#sizeOf(part));
    // Where the bucket's CORS does not expose it, the API learns the ETag from the store itself.
    if (etag) this.#unreported.push({ partNumber: part, etag });
    this.#report(REPORT_SIZE);
  }

  /** @param {number} part @param {PresignedPart} entry @returns {Promise<string | null>} its ETag */
  async #put(part, { url, headers }) {
    const { upload, signal } = this.tools;
    const start = (part - 1) * this.#partSize;
    const blob = upload.file.slice(start, start + this.#sizeOf(part));
    this.#sent(part, 0);
    try {
      return await put(url, blob, headers, signal, (bytes) => this.#sent(part, bytes));
    } catch (error) {
      this.#sent(part, 0);
      if (error instanceof UploadError && error.reason === "NETWORK") await checkReadable(blob);
      throw error;
    }
  }

  /** @param {number} part @param {number} bytes */
  #sent(part, bytes) {
    if (this.tools.signal.aborted) return;
    this.#sentBytes += bytes - this.#sentByPart[part - 1];
    this.#sentByPart[part - 1] = bytes;
    this.say("uploading");
  }

  /** Record what has been sent, where at least `least` parts wait for it. @param {number} least */
  #report(least) {
    if (this.#unreported.length < least) return;
    const parts = this.#unreported.splice(0);
    this.#reporting = Promise.all([this.#reporting, this.tools.call("POST", "/parts", { parts })]);
    this.#reporting.catch(() => {}); // it is awaited at the end
  }

  /** @param {number} part @returns {number} bytes */
  #sizeOf(part) {
    return Math.min(this.#partSize, this.tools.upload.file.size - (part - 1) * this.#partSize);
  }
}

/** A limit of things under way at once, first come, first served. */
class Slots {
  /** @type {(() => void)[]} */ #queue = [];

  /** @param {number} count */
  constructor(count) {
    this.count = count;
    this.free = count;
  }

  /** @template T @param {() => Promise<T>} task @param {AbortSignal} signal @returns {Promise<T>} */
  async use(task, signal) {
    if (this.free > 0) this.free--;
    else await new Promise((resolve) => this.#queue.push(() => resolve(undefined)));
    try {
      signal.throwIfAborted();
      return await task();
    } finally {
      const next = this.#queue.shift();
      if (next) next();
      else this.free++;
    }
  }
}

/** PUT with upload progress, which fetch does not have. Answers the ETag.
 * @param {string} url @param {Blob} blob @param {Record<string, string>} headers @param {AbortSignal} signal
 * @param {(bytes: number) => void} onBytes @returns {Promise<string | null>} */
function put(url, blob, headers, signal, onBytes) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    let stall = setTimeout(abort, STALL_MS);
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) {
      if (!FORBIDDEN_HEADERS.has(name.toLowerCase())) request.setRequestHeader(name, value);
    }
    request.upload.onprogress = ({ loaded }) => {
      clearTimeout(stall);
      stall = setTimeout(abort, STALL_MS);
      onBytes(Math.min(loaded, blob.size));
    };
    request.onloadend = () => {
      clearTimeout(stall);
      signal.removeEventListener("abort", abort);
      removeEventListener("offline", abort);
      if (signal.aborted) reject(signal.reason);
      else if (request.status === 200) resolve(request.getResponseHeader("ETag"));
      else reject(storeError(request.status, request.responseText));
    };
    signal.addEventListener("abort", abort);
    addEventListener("offline", abort); // a cable that was pulled ends no connection: it would hang
    if (signal.aborted) reject(signal.reason);
    else request.send(blob);
  });
}

/** @param {number} status @param {string} body S3's XML */
function storeError(status, body) {
  if (status === 0) return new UploadError("NETWORK", "The connection to the store broke.");
  const code = /<Code>(\w+)<\/Code>/.exec(body)?.[1] ?? "no reason given";
  const isOver = status === 429 || status >= 500 || code === "RequestTimeout";
  const message = `The store refused a part (${status}, ${code}).`;
  return new UploadError(isOver ? "STORE_FAILED" : "STORE_REFUSED", message, { status });
}

/** @param {Response} response @param {string} text */
function refusal(response, text) {
  const { status, headers } = response;
  const seconds = Number(headers.get("Retry-After") ?? NaN);
  const more = { status, retryAfterMs: seconds >= 0 ? seconds * 1000 : undefined };
  try {
    const { error, requestId } = JSON.parse(text);
    return new UploadError(error.reason, error.message, { ...more, details: error.details, requestId });
  } catch {
    return new UploadError("UNEXPECTED", `The upload service answered ${status}.`, more);
  }
}

/** A network failure may be a file that was changed, moved or unplugged: that cannot be tried again.
 * @param {Blob} blob */
async function checkReadable(blob) {
  try {
    await blob.slice(0, 1).arrayBuffer();
  } catch {
    const message = "The file has changed, or is no longer where it was: choose it again.";
    throw new UploadError("FILE_UNREADABLE", message);
  }
}

/** @param {Choice & { fileId: string }} choice @param {number} partSizeBytes */
function metadataOf({ file, fileId, fileKey, category, type }, partSizeBytes) {
  const partCount = Math.max(1, Math.ceil(file.size / partSizeBytes));
  return { name: file.name, size: file.size, type: type ?? typeOf(file), fileId, fileKey, category, partCount };
}

/** A file's MIME type, also where the browser knows none. @param {File} file */
export function typeOf(file) {
  return file.type || TYPES[file.name.toLowerCase().split(".").pop() ?? ""] || "application/octet-stream";
}

/** @param {Session} session @param {Choice & { fileId: string }} choice @param {any} result @returns {Registration} */
function registrationOf({ sessionId }, { file, fileId }, result) {
  const { error, ...registered } = result;
  if (!error) return { ...registered, sessionId, file };
  return { sessionId, fileId, file, error: new UploadError(error.reason, error.message, { details: error.details }) };
}

/** What is not there any more is as good as deleted. @param {Promise<unknown>} deletion */
async function gone(deletion) {
  await deletion.catch((error) => {
    if (!(error instanceof UploadError) || error.status !== 404) throw error;
  });
}

/** @param {number} failures so far @returns {number} exponential, with full jitter, so that clients spread out */
function backoffMs(failures) {
  return 200 + Math.random() * Math.min(LONGEST_PAUSE_MS, 500 * 2 ** failures);
}

function isOffline() {
  return navigator.onLine === false;
}

/** @param {AbortSignal} [signal] */
function untilOnline(signal) {
  return wait((done) => {
    addEventListener("online", done);
    return () => removeEventListener("online", done);
  }, signal);
}

/** Wait; the network coming back ends it early. @param {number} milliseconds @param {AbortSignal} [signal] */
function pause(milliseconds, signal) {
  return wait((done) => {
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
    return () => {
      clearTimeout(timer);
      removeEventListener("online", done);
    };
  }, signal);
}

/** @param {(done: () => void) => () => void} begin answers how to tidy up @param {AbortSignal} [signal] */
async function wait(begin, signal) {
  let end = () => {};
  try {
    await Promise.race([new Promise((done) => (end = begin(() => done(undefined)))), rejectedBy(signal)]);
  } finally {
    end();
  }
}

/** @param {AbortSignal} [signal] @returns {Promise<never>} */
function rejectedBy(signal) {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
