/** One file on its way: which parts are missing, under which URLs, sent, reported, assembled. */

import { UploadError } from "./errors.js";
import { checkReadable, otherFile, put } from "./put.js";
import { isOffline, linked } from "./waiting.js";

/**
 * @typedef {import("./types.js").Upload} Upload
 * @typedef {import("./types.js").Progress} Progress
 * @typedef {import("./types.js").State} State
 * @typedef {import("./types.js").PresignedPart} PresignedPart
 * @typedef {import("./types.js").PartsAnswer} PartsAnswer
 * @typedef {import("./types.js").ReportedPart} ReportedPart
 * @typedef {import("./types.js").CompletedFile} CompletedFile
 */

const REPORT_SIZE = 8; // parts in one report,
const REPORT_MS = 2000; // or fewer, after so long
const MAX_REPORT_SIZE = 1000; // the API's
const EARLY_MS = 2000; // a Date header has whole seconds, and took a while to come
const COMPLETED = "completed already"; // another client, or an earlier call, was faster

export class Transfer {
  /** @type {Map<number, PresignedPart>} */ #urls = new Map();
  /** @type {Set<number>} */ #wanting = new Set(); // parts that wait for a URL
  /** @type {ReportedPart[]} */ #unreported = [];
  #isReporting = false;
  #reportedAt = performance.now();
  /** @type {Promise<PartsAnswer> | null} */ #asking = null;
  /** @type {number[]} */ #sentByPart = [];
  #sentBytes = 0;
  #partSize = 0;
  #left = 0; // parts that are still to be sent
  #path;
  /** @type {ReturnType<typeof linked>} */ #stop = linked(); // ends what is under way
  /** @type {ReturnType<typeof linked>} */ #halt = linked(); // starts nothing more

  /**
   * @param {{ upload: Upload, api: import("./api.js").Api, queue: import("./part-queue.js").PartQueue, signal?: AbortSignal,
   *   pause?: AbortSignal, onProgress: (progress: Progress) => void }} tools
   */
  constructor({ upload, api, queue, signal, pause, onProgress }) {
    this.upload = upload;
    this.api = api;
    this.queue = queue;
    this.onProgress = onProgress;
    this.#path = `/${upload.sessionId}/files/${upload.fileId}`;
    this.signal = signal;
    this.pause = pause;
  }

  #sayWaiting = () => this.#say("waiting");

  #listen() {
    globalThis.addEventListener?.("offline", this.#sayWaiting);
    this.#stop = linked(this.signal);
    this.#halt = linked(this.#stop.signal, this.pause);
  }

  #unlisten() {
    globalThis.removeEventListener?.("offline", this.#sayWaiting);
    this.#halt.unlink();
    this.#stop.unlink();
  }

  /** @returns {Promise<CompletedFile>} */
  async run() {
    this.#listen();
    try {
      try {
        await this.#sendAll(await this.#plan());
        return await this.#complete();
      } catch (error) {
        if (!isIncomplete(error)) throw error;
        await this.#sendAll(this.#resume(await this.#askForParts(1))); // the store has lost a part: once more
        return await this.#complete();
      }
    } catch (error) {
      this.#stop.abort(error);
      throw error;
    } finally {
      this.#unlisten();
    }
  }

  /** @param {State} state */
  #say(state) {
    if (this.#stop.signal.aborted) return;
    this.onProgress({
      fileId: this.upload.fileId, state, sentBytes: this.#sentBytes, totalBytes: this.upload.file.size,
      partSizeBytes: this.#partSize, sentByPart: this.#sentByPart,
    });
  }

  /** @param {string} method @param {string} path @param {object | undefined} body @param {{ needs?: string, attempts?: number }} options */
  #call(method, path, body, options) {
    const onWait = options.attempts ? undefined : this.#sayWaiting;
    const { signal } = options.attempts ? this.#stop : this.#halt;
    return this.api.call(method, this.#path + path, body, { signal, onWait, ...options });
  }

  // --- Which parts

  /** @returns {Promise<number[]>} the parts to send */
  async #plan() {
    const { presignedUrls, partCount = 0, partSizeBytes = 0, nextPartNumber } = this.upload;
    if (!presignedUrls) return this.#resume(await this.#askForParts(1));
    this.#partSize = partSizeBytes;
    this.#sentByPart = Array(partCount).fill(0);
    presignedUrls.forEach((entry) => this.#urls.set(entry.partNumber, entry));
    const isCompleted = !presignedUrls.length && !nextPartNumber; // that is how the API answers for such a file
    return isCompleted ? [] : this.#sentByPart.map((_, i) => i + 1);
  }

  /** @param {PartsAnswer} answer @returns {number[]} the part numbers that are missing */
  #resume({ status, partCount, partSizeBytes, missingPartNumbers, presignedUrls = [] }) {
    this.#partSize = partSizeBytes;
    if (presignedUrls.some(({ partNumber, sizeBytes }) => sizeBytes !== this.#sizeOf(partNumber))) throw otherFile();
    const missing = new Set(status === "completed" ? [] : missingPartNumbers);
    const before = this.#sentByPart; // what is shown never falls, also when the store has lost it
    this.#sentByPart = Array.from({ length: partCount }, (_, i) => (missing.has(i + 1) ? before[i] ?? 0 : this.#sizeOf(i + 1)));
    this.#sentBytes = this.#sentByPart.reduce((sum, bytes) => sum + bytes, 0);
    return [...missing];
  }

  /** Ask what is missing, with fresh URLs; one question for all parts that wait for it. @param {number} fromPart */
  #askForParts(fromPart) {
    this.#asking ??= this.#call("GET", `/parts?presign=true&fromPart=${fromPart}`, undefined, { needs: "missingPartNumbers" })
      .then((answer) => {
        for (const entry of answer.presignedUrls ?? []) this.#urls.set(entry.partNumber, entry);
        return answer;
      })
      .finally(() => (this.#asking = null));
    return this.#asking;
  }

  /** A URL that has not expired; null if the store has the part. @param {number} part @returns {Promise<PresignedPart | null>} */
  async #urlFor(part) {
    const known = this.#urls.get(part);
    if (known && this.api.serverNow() + EARLY_MS < Date.parse(known.expiresAt)) return known;
    this.#wanting.add(part);
    try {
      // Each answer holds the first wanted part at least, and as many parts want one as may be under way.
      for (let asked = 0; asked <= this.queue.count + 1; asked++) {
        const answer = await this.#askForParts(Math.min(...this.#wanting));
        if (answer.status === "completed") throw COMPLETED;
        const entry = this.#urls.get(part);
        if (entry && entry !== known) return entry; // it is as fresh as can be, whatever our clock says
        if (!answer.missingPartNumbers.includes(part)) return null;
      }
    } finally {
      this.#wanting.delete(part);
    }
    throw new UploadError("STORE_REFUSED", "There is no address to send the next part to: try again.");
  }

  // --- Sending

  /** @param {number[]} missing */
  async #sendAll(missing) {
    this.#left = missing.length;
    this.#say("queued");
    /** @type {unknown[]} */ const failures = [];
    const worker = async () => {
      for (let part = missing.shift(); part !== undefined; part = missing.shift()) {
        const number = part;
        await this.queue.use(this.#sizeOf(part), (track) => this.#send(number, track), this.#halt.signal);
      }
    };
    const guarded = () => worker().catch((error) => {
      failures.push(error);
      if (error === COMPLETED || isOver(error)) this.#stop.abort(error);
      else this.#halt.abort(error); // what is under way may finish: it is not lost to a token that expired
    });
    await Promise.all(Array.from({ length: Math.min(this.queue.count, missing.length) }, guarded));
    if (!failures.length) return;
    if (failures.includes(COMPLETED)) {
      this.#unlisten();
      return this.#listen();
    }
    await this.#report(1);
    throw failures.find(isOver) ?? failures[0];
  }

  /** Send one part; if the store refuses its URL, at once with another one.
   * @param {number} part @param {(sent: number) => void} track */
  async #send(part, track) {
    let breaks = 0;
    const etag = await this.api.retry(async () => {
      let renewals = 0;
      for (;;) {
        const entry = await this.#urlFor(part);
        try {
          return entry && await this.#put(part, entry, track, breaks);
        } catch (error) {
          if (!(error instanceof UploadError)) throw error;
          // A refusal that CORS hides looks like a connection that broke.
          if (error.isStale || (error.reason === "NETWORK" && ++breaks > 1)) this.#urls.delete(part);
          if (!error.isStale || renewals++ > 0) throw error;
        }
      }
    }, { signal: this.#halt.signal, onWait: this.#sayWaiting });
    this.#left--;
    this.#sent(part, this.#sizeOf(part));
    // Where the bucket's CORS does not expose it, the API learns the ETag from the store itself.
    if (etag) this.#unreported.push({ partNumber: part, etag });
    if (this.#left) this.#report(REPORT_SIZE); // the last ones go with `complete`
  }

  /** @param {number} part @param {PresignedPart} entry @param {(sent: number) => void} track @param {number} breaks
   * @returns {Promise<string | null>} its ETag */
  async #put(part, { url, headers }, track, breaks) {
    const start = (part - 1) * this.#partSize;
    const blob = this.upload.file.slice(start, start + this.#sizeOf(part));
    const startedAt = performance.now();
    let loaded = 0;
    track(0);
    try {
      const etag = await put(url, blob, headers, this.#stop.signal, (bytes) => {
        track((loaded = bytes));
        this.#sent(part, bytes);
      }, breaks);
      this.api.reach.heard(url);
      return etag;
    } catch (error) {
      if (!(error instanceof UploadError)) throw error;
      if (error.status) this.api.reach.heard(url);
      if (error.reason !== "NETWORK") throw error;
      await checkReadable(blob);
      if (loaded) throw error;
      throw await this.api.reach.nameFailure(url, startedAt, { message: error.message, remedy: "the bucket's CORS must allow PUT from there." });
    }
  }

  /** What is shown never falls: a part that is sent again counts from where it was. @param {number} part @param {number} bytes */
  #sent(part, bytes) {
    const more = bytes - this.#sentByPart[part - 1];
    if (more > 0) {
      this.#sentBytes += more;
      this.#sentByPart[part - 1] = bytes;
    }
    this.#say(isOffline() ? "waiting" : "uploading");
  }

  // --- Reporting and completing

  /** Record what has been sent, if at least `least` parts wait for it, or some wait for long. S3 knows them too:
   * a report that fails stops nothing. @param {number} least */
  async #report(least) {
    const isDue = this.#unreported.length >= least || performance.now() - this.#reportedAt > REPORT_MS;
    if (!isDue || !this.#unreported.length || this.#isReporting || this.#stop.signal.aborted) return;
    this.#isReporting = true;
    this.#reportedAt = performance.now();
    const parts = this.#unreported.splice(0, MAX_REPORT_SIZE);
    try {
      await this.#call("POST", "/parts", { parts }, { attempts: 1 });
    } catch (error) {
      if (!this.#left) return; // `complete` is under way: it counts
      const isCompleted = error instanceof UploadError && error.reason === "FILE_COMPLETED";
      if (isOver(error)) this.#stop.abort(error);
      else if (isCompleted) this.#stop.abort(COMPLETED);
      else this.#unreported.unshift(...parts);
    } finally {
      this.#isReporting = false;
    }
  }

  /** @returns {Promise<CompletedFile>} */
  async #complete() {
    this.#say("completing");
    const parts = this.#unreported.splice(0, MAX_REPORT_SIZE);
    const completed = await this.#call("POST", "/complete", parts.length ? { parts } : {}, { needs: "fileId" }).catch((error) => {
      // Another tab has sent the same part: what the store has counts.
      if (!(error instanceof UploadError) || error.reason !== "ETAG_MISMATCH" || !parts.length) throw error;
      return this.#call("POST", "/complete", {}, { needs: "fileId" });
    });
    this.#sentByPart = this.#sentByPart.map((_, i) => this.#sizeOf(i + 1));
    this.#sentBytes = this.upload.file.size;
    this.#say("completed");
    return completed;
  }

  /** @param {number} part @returns {number} bytes */
  #sizeOf(part) {
    return Math.min(this.#partSize, this.upload.file.size - (part - 1) * this.#partSize);
  }
}

/** Whether nothing that is under way can be of use any more. @param {unknown} error */
function isOver(error) {
  return error instanceof UploadError && (error.isOver || error.reason === "FILE_UNREADABLE");
}

/** @param {unknown} error */
function isIncomplete(error) {
  return error instanceof UploadError && ["PARTS_MISSING", "PART_SIZE_MISMATCH"].includes(error.reason);
}
