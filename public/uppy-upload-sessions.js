// @ts-check
/** An uploader for Uppy 5 and 6 on the client module, in place of @uppy/aws-s3: `uppy.use(UploadSessions, { client })`. */

// @ts-ignore - your app has it
import { BasePlugin } from "@uppy/core";
import { SESSION_OVER, UPLOAD_GONE, UploadError, registerAcrossSessions } from "./upload-client.js";

/**
 * @typedef {import("./upload-client.js").Session} Session
 * @typedef {import("./upload-client.js").Registration} Registration
 * @typedef {import("./upload-client.js").Progress} Progress
 * @typedef {any} UppyFile Uppy's own; `uploadSession` is where the API has it, and Golden Retriever keeps that
 * @typedef {{ client: import("./upload-client.js").UploadClient, id?: string, session?: { maxFiles?: number, metadata?: object },
 *   category?: (file: UppyFile) => string | undefined }} Options
 *   `session` is the body of each createSession; `category` is derived from the type by default.
 */

const MAX_RENEWALS = 3; // of one file: an upload that is gone again and again is not followed for ever

/** Uppy may hold a Blob, or a file that was renamed. @param {UppyFile} file @returns {File} */
const asFile = ({ data, name, type }) => (data instanceof File && data.name === name ? data : new File([data], name, { type }));

const Plugin = /** @type {new (uppy: any, opts: any) => { uppy: any, opts: any, type: string, id: string }} */ (BasePlugin);

export default class UploadSessions extends Plugin {
  /** @type {Session | null} */ #session = null;
  /** @type {Map<string, number>} */ #renewals = new Map(); // by Uppy's file id
  /** @type {Map<string, { stop: AbortController, pause: AbortController }>} */ #underWay = new Map(); // by Uppy's file id

  /** @param {any} uppy @param {Options} options */
  constructor(uppy, options) {
    super(uppy, { session: {}, category: () => undefined, ...options });
    this.type = "uploader";
    this.id = this.opts.id ?? "UploadSessions";
  }

  install() {
    const { capabilities } = this.uppy.getState();
    this.uppy.setState({ capabilities: { ...capabilities, resumableUploads: true } });
    this.uppy.addUploader(this.#upload);
    this.uppy.on("file-removed", this.#removed).on("upload-pause", this.#paused).on("pause-all", this.#paused);
  }

  uninstall() {
    this.uppy.removeUploader(this.#upload);
    this.uppy.off("file-removed", this.#removed).off("upload-pause", this.#paused).off("pause-all", this.#paused);
    for (const { stop } of this.#underWay.values()) stop.abort("uninstall");
  }

  /** @param {string[]} ids */
  #upload = async (ids) => {
    /** @type {UppyFile[]} */ const all = this.uppy.getFilesByIds(ids);
    const files = all.filter((file) => !file.isRemote && !file.progress.uploadComplete);
    this.uppy.emit("upload-start", files);
    const [known, fresh] = [true, false].map((isKnown) => files.filter((file) => !!file.uploadSession === isKnown));
    await Promise.all([this.#registerAndSend(fresh), ...known.map((file) => this.#send(file.id))]);
  };

  /** Each file is sent as soon as it is registered. @param {UppyFile[]} files */
  async #registerAndSend(files) {
    /** @type {Promise<void>[]} */ const sending = [];
    const choices = files.map((file) => ({ file: asFile(file), category: this.opts.category(file) }));
    try {
      const registrations = await registerAcrossSessions(this.opts.client, choices, {
        open: this.#open,
        onAccepted: (registration, i) => sending.push(this.#accepted(files[i].id, registration)),
      });
      files.forEach((file, i) => registrations[i].error && this.#fail(file.id, registrations[i].error));
    } catch (error) {
      files.filter(({ id }) => !this.uppy.getFile(id)?.uploadSession).forEach(({ id }) => this.#fail(id, error));
    }
    await Promise.all(sending);
  }

  /** @param {Session | null} spent */
  #open = async (spent) => {
    if (this.#session && this.#session.sessionId !== spent?.sessionId) return { session: this.#session, isNew: false };
    this.#session = await this.opts.client.createSession(this.opts.session);
    return { session: /** @type {Session} */ (this.#session), isNew: true };
  };

  /** @param {string} id Uppy's @param {Registration} registration */
  async #accepted(id, registration) {
    const { sessionId, fileId } = registration;
    if (!this.uppy.getFile(id)) return this.#abort({ sessionId, fileId }); // removed while it was registered
    this.uppy.setFileState(id, { uploadSession: { sessionId, fileId } });
    await this.#send(id, registration);
  }

  /** @param {string} id @param {Registration} [registration] without one: what is missing @returns {Promise<void>} */
  async #send(id, registration) {
    const file = this.uppy.getFile(id);
    if (!file) return;
    if (file.isPaused) await this.#resumed(id);
    const controllers = { stop: new AbortController(), pause: new AbortController() };
    this.#underWay.set(id, controllers);
    try {
      const upload = registration ?? { ...file.uploadSession, file: file.data };
      const result = await this.opts.client.upload(upload, {
        signal: controllers.stop.signal, pause: controllers.pause.signal,
        onProgress: (/** @type {Progress} */ progress) => this.#progress(id, progress),
      });
      this.uppy.emit("upload-success", this.uppy.getFile(id), { status: 200, body: result, uploadURL: result.fileUrl });
    } catch (error) {
      if (error === "remove" || error === "uninstall" || !this.uppy.getFile(id)) return;
      if (error === "pause") return this.#send(id);
      const reason = error instanceof UploadError ? error.reason : "";
      const renewals = this.#renewals.get(id) ?? 0;
      if (!(SESSION_OVER.has(reason) || UPLOAD_GONE.has(reason)) || renewals >= MAX_RENEWALS) return this.#fail(id, error);
      this.#renewals.set(id, renewals + 1);
      if (SESSION_OVER.has(reason) && this.#session?.sessionId === file.uploadSession.sessionId) this.#session = null;
      this.uppy.setFileState(id, { uploadSession: undefined });
      await this.#registerAndSend([this.uppy.getFile(id)]);
    } finally {
      if (this.#underWay.get(id) === controllers) this.#underWay.delete(id);
    }
  }

  /** @param {string} id @param {Progress} progress */
  #progress(id, { sentBytes: bytesUploaded, totalBytes: bytesTotal }) {
    const file = this.uppy.getFile(id);
    const uploadStarted = file?.progress.uploadStarted ?? Date.now();
    if (file) this.uppy.emit("upload-progress", file, { uploader: this, uploadStarted, bytesUploaded, bytesTotal });
  }

  /** @param {string} id @param {unknown} error */
  #fail(id, error) {
    const file = this.uppy.getFile(id);
    if (file) this.uppy.emit("upload-error", file, error);
  }

  /** One file, or all: Uppy has marked what is paused. Parts under way arrive. */
  #paused = () => {
    for (const [id, { pause }] of this.#underWay) if (this.uppy.getFile(id)?.isPaused) pause.abort("pause");
  };

  /** Until it is resumed, or removed. @param {string} id @returns {Promise<void>} */
  #resumed(id) {
    const names = ["upload-pause", "resume-all", "retry-all", "upload-retry", "file-removed", "cancel-all"];
    return new Promise((resolve) => {
      const look = () => {
        if (this.uppy.getFile(id)?.isPaused) return;
        names.forEach((name) => this.uppy.off(name, look));
        resolve();
      };
      names.forEach((name) => this.uppy.on(name, look));
    });
  }

  /** @param {UppyFile} file */
  #removed = ({ id, uploadSession, progress }) => {
    this.#underWay.get(id)?.stop.abort("remove");
    if (uploadSession && !progress?.uploadComplete) this.#abort(uploadSession);
  };

  /** @param {{ sessionId: string, fileId: string }} at */
  #abort({ sessionId, fileId }) {
    return this.opts.client.abortFile(sessionId, fileId).catch((/** @type {Error} */ error) => this.uppy.log(error, "warning"));
  }
}
