/**
 * The protocol of the upload-session API, for a browser: register many files at once, send their parts in
 * parallel straight to S3, report, resume, complete, abort. No dependencies, no build: import this file, and it imports
 * its siblings in `upload-client/`.
 *
 * @typedef {import("./upload-client/types.js").Session} Session
 * @typedef {import("./upload-client/types.js").SessionDetail} SessionDetail
 * @typedef {import("./upload-client/types.js").FileSummary} FileSummary
 * @typedef {import("./upload-client/types.js").Choice} Choice
 * @typedef {import("./upload-client/types.js").Upload} Upload
 * @typedef {import("./upload-client/types.js").Registration} Registration
 * @typedef {import("./upload-client/types.js").Progress} Progress
 * @typedef {import("./upload-client/types.js").PartsAnswer} PartsAnswer
 * @typedef {import("./upload-client/types.js").ReportedPart} ReportedPart
 * @typedef {import("./upload-client/types.js").CompletedFile} CompletedFile
 * @typedef {import("./upload-client/types.js").UploadOptions} UploadOptions
 * @typedef {import("./upload-client/types.js").Token} Token
 * @typedef {import("./upload-client/types.js").TokenQuestion} TokenQuestion
 */

import { Api } from "./upload-client/api.js";
import { UploadError, errorOf } from "./upload-client/errors.js";
import { metadataOf, uuid } from "./upload-client/files.js";
import { PartQueue } from "./upload-client/part-queue.js";
import { Transfer } from "./upload-client/transfer.js";
import { backoffMs, pause as wait, unlessAborted } from "./upload-client/waiting.js";

export { oneSession, registerAcrossSessions } from "./upload-client/across-sessions.js";
export { SESSION_OVER, UploadError } from "./upload-client/errors.js";
export { fingerprintOf, uuid } from "./upload-client/files.js";

const BATCH_SIZE = 10; // the API's default MAX_BATCH_SIZE; a smaller one is learnt from its refusal
const ITEM_ATTEMPTS = 4; // a file of a batch that the store or the database did not answer for is asked for again

/** One user of the API. `parallel` limits the parts under way, over all files. */
export class UploadClient {
  #api;
  #queue;
  #batchSize = BATCH_SIZE;

  /**
   * @param {{ baseUrl?: string, getToken?: (question: TokenQuestion) => Token | Promise<Token>, parallel?: number,
   *   attempts?: number }} [options]
   */
  constructor({ baseUrl = "", getToken = () => null, parallel = 4, attempts = 8 } = {}) {
    this.#api = new Api(baseUrl, getToken, attempts);
    this.#queue = new PartQueue(parallel >= 1 ? parallel : 1);
  }

  /** @param {{ maxFiles?: number, metadata?: object }} [body] @param {AbortSignal} [signal] @returns {Promise<Session>} */
  createSession(body = {}, signal) {
    return this.#api.call("POST", "", body, { signal, needs: "sessionId" });
  }

  /** @param {string} sessionId @param {AbortSignal} [signal] @returns {Promise<SessionDetail>} */
  getSession(sessionId, signal) {
    return this.#api.call("GET", `/${sessionId}`, undefined, { signal, needs: "files" });
  }

  /** Which parts the store has. @param {string} sessionId @param {string} fileId @returns {Promise<PartsAnswer>} */
  getParts(sessionId, fileId) {
    return this.#api.call("GET", `/${sessionId}/files/${fileId}/parts`, undefined, { needs: "missingPartNumbers" });
  }

  /** Which parts the store has, and URLs for those that it lacks. @param {string} sessionId @param {string} fileId
   * @param {{ fromPart?: number, signal?: AbortSignal }} [options] @returns {Promise<PartsAnswer>} */
  presign(sessionId, fileId, { fromPart = 1, signal } = {}) {
    const path = `/${sessionId}/files/${fileId}/parts?presign=true&fromPart=${fromPart}`;
    return this.#api.call("GET", path, undefined, { signal, needs: "missingPartNumbers" });
  }

  /** Have the store assemble a file whose parts are all there. @param {string} sessionId @param {string} fileId
   * @param {{ parts?: ReportedPart[], signal?: AbortSignal }} [options] @returns {Promise<CompletedFile>} */
  complete(sessionId, fileId, { parts, signal } = {}) {
    const path = `/${sessionId}/files/${fileId}/complete`;
    return this.#api.call("POST", path, parts ? { parts } : {}, { signal, needs: "fileId" });
  }

  /** Abort every unfinished upload of a session. @param {string} sessionId */
  async cancelSession(sessionId) {
    await gone(this.#api.call("DELETE", `/${sessionId}`));
  }

  /** Abort one upload, and forget the file. @param {string} sessionId @param {string} fileId */
  async abortFile(sessionId, fileId) {
    await gone(this.#api.call("DELETE", `/${sessionId}/files/${fileId}`));
  }

  /**
   * Register files, in as few requests as the API allows; a refused one has its `error`, the others go on.
   * @param {Session} session @param {Choice[]} choices @param {AbortSignal} [signal]
   * @param {(some: Registration[]) => void} [onBatch] told of each request's files, as soon as they are registered
   * @returns {Promise<Registration[]>} in the order of the choices
   */
  async register(session, choices, signal, onBatch) {
    const items = choices.map((choice) => ({ ...choice, fileId: choice.fileId ?? uuid() }));
    /** @type {Registration[]} */ const registrations = [];
    while (registrations.length < items.length) {
      const some = items.slice(registrations.length, registrations.length + this.#batchSize);
      try {
        const answered = await this.#registerBatch(session, some, signal);
        registrations.push(...answered);
        onBatch?.(answered);
      } catch (error) {
        const allowed = error instanceof UploadError ? Number(error.details.maxBatchSize) : NaN;
        if (!(allowed >= 1 && allowed < this.#batchSize)) throw error;
        this.#batchSize = allowed;
      }
    }
    return registrations;
  }

  /** @param {Session} session @param {(Choice & { fileId: string })[]} some @param {AbortSignal} [signal] */
  async #registerBatch(session, some, signal) {
    /** @type {Map<string, Registration>} */ const answers = new Map();
    let asked = some;
    for (let failures = 1; asked.length; failures++) {
      const files = asked.map((item) => metadataOf(item, session.partSizeBytes));
      const body = await this.#api.call("POST", `/${session.sessionId}/files/batch`, { files }, { signal, needs: "results" });
      asked.forEach((item, i) => answers.set(item.fileId, registrationOf(session, item, body.results[i], body.requestId)));
      asked = failures < ITEM_ATTEMPTS ? asked.filter((item) => answers.get(item.fileId)?.error?.isTransient) : [];
      if (asked.length) await wait(backoffMs(failures), signal);
    }
    return some.map((item) => /** @type {Registration} */ (answers.get(item.fileId)));
  }

  /**
   * Send what is missing of a registered file, and complete it.
   * @param {Upload} upload @param {UploadOptions} [options] @returns {Promise<CompletedFile>}
   */
  upload(upload, { signal, pause, onProgress = () => {} } = {}) {
    const tools = { upload, signal, pause, onProgress, api: this.#api, queue: this.#queue };
    return unlessAborted(new Transfer(tools).run(), signal);
  }
}

/** @param {Session} session @param {Choice & { fileId: string }} choice @param {any} result @param {string} [requestId]
 * @returns {Registration} */
function registrationOf({ sessionId }, { file, fileId }, result, requestId) {
  const { error, ...registered } = result ?? { error: {} };
  return error ? { sessionId, fileId, file, error: errorOf(error, { requestId }) } : { ...registered, sessionId, file };
}

/** Deleting what is not there any more succeeds. @param {Promise<unknown>} deletion */
async function gone(deletion) {
  await deletion.catch((error) => {
    if (!(error instanceof UploadError) || !error.isOver) throw error;
  });
}
