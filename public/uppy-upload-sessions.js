/** An uploader for Uppy 5 and 6 on the client module, in place of @uppy/aws-s3: `uppy.use(UploadSessions, { client })`. */

// @ts-ignore - your app has it
import { BasePlugin } from "@uppy/core";
import { oneSession, registerAcrossSessions } from "./upload-client.js";

/**
 * @typedef {import("./upload-client.js").Registration} Registration
 * @typedef {any} UppyFile Uppy's own; `uploadSession` is where the API has it, and Golden Retriever keeps that
 * @typedef {{ client: import("./upload-client.js").UploadClient, id?: string, session?: { maxFiles?: number, metadata?: object },
 *   category?: (file: UppyFile) => string | undefined }} Options
 *   `session` is the body of each createSession; `category` is derived from the type by default.
 */

const MAX_RENEWALS = 3; // of one file: an upload that is gone again and again is not followed forever
const NO_DATA = "This file is not on this device, or has to be chosen again.";

/** Uppy may hold a Blob, or a file that was renamed: `meta.name` is what the Dashboard edits. @param {UppyFile} file @returns {File} */
const asFile = ({ data, type, name, meta }, title = meta.name || name) => (data instanceof File && data.name === title ? data : new File([data], title, { type }));

const Plugin = /** @type {new (uppy: any, options: Options) => { uppy: any, opts: Options }} */ (BasePlugin);

class UploadSessions extends Plugin {
  type = "uploader";
  id = this.opts.id ?? "UploadSessions";
  #open = oneSession(() => this.opts.client.createSession(this.opts.session));

  install() {
    const { capabilities } = this.uppy.getState();
    this.uppy.setState({ capabilities: { ...capabilities, resumableUploads: true } });
    this.uppy.addUploader(this.#upload);
    this.uppy.on("file-removed", this.#discard);
  }

  uninstall() {
    this.uppy.removeUploader(this.#upload);
    this.uppy.off("file-removed", this.#discard);
  }

  /** Look at a file (undefined once it is removed) now and at each change, until there is enough. @param {string} id
   * @param {(file: UppyFile | undefined) => boolean | void} isEnough @returns {() => void} ends it */
  #watch(id, isEnough) {
    const end = () => this.uppy.off("state-update", look);
    const look = () => isEnough(this.uppy.getFile(id)) && end();
    this.uppy.on("state-update", look);
    look();
    return end;
  }

  /** A file, once it is not paused; undefined once it is removed. @param {string} id @returns {Promise<UppyFile | undefined>} */
  #unpaused = (id) => new Promise((resolve) => this.#watch(id, (now) => !now?.isPaused && (resolve(now), true)));

  /** @param {string[]} ids */
  #upload = async (ids) => {
    const files = /** @type {UppyFile[]} */ (this.uppy.getFilesByIds(ids)).filter((file) => !file.progress.uploadComplete);
    this.uppy.emit("upload-start", files);
    const here = files.filter((file) => file.data && !file.isRemote);
    files.filter((file) => !here.includes(file)).forEach(({ id }) => this.#fail(id, new Error(NO_DATA)));
    const [known, fresh] = [true, false].map((isKnown) => here.filter((file) => !!file.uploadSession === isKnown));
    await Promise.all([this.#registerAndSend(fresh), ...known.map(({ id }) => this.#send(id))]);
  };

  /** Each file is sent as soon as it is registered. @param {UppyFile[]} files @param {number} [renewals] how often they were before */
  async #registerAndSend(files, renewals = 0) {
    /** @type {Promise<void>[]} */ const sending = [];
    const choices = files.map((file) => ({ file: asFile(file), category: this.opts.category?.(file) }));
    try {
      const registrations = await registerAcrossSessions(this.opts.client, choices, {
        open: this.#open,
        onAccepted: (registration, i) => sending.push(this.#accepted(files[i].id, registration, renewals)),
      });
      registrations.forEach(({ error }, i) => error && this.#fail(files[i].id, error));
    } catch (error) {
      files.filter(({ id }) => !this.uppy.getFile(id)?.uploadSession).forEach(({ id }) => this.#fail(id, error));
    }
    await Promise.all(sending);
  }

  /** @param {string} id Uppy's @param {Registration} registration @param {number} renewals */
  async #accepted(id, registration, renewals) {
    const uploadSession = { sessionId: registration.sessionId, fileId: registration.fileId };
    const file = this.uppy.getFile(id);
    if (!file || file.uploadSession) return this.#discard({ uploadSession }); // removed meanwhile, or added and registered again
    this.uppy.setFileState(id, { uploadSession });
    await this.#send(id, registration, renewals);
  }

  /** @param {string} id @param {Registration} [registration] without one: what is missing @param {number} [renewals] @returns {Promise<void>} */
  async #send(id, registration, renewals = 0) {
    const file = await this.#unpaused(id);
    if (!file) return;
    const [stop, pause] = [new AbortController(), new AbortController()];
    const unwatch = this.#watch(id, (now) => void (now ? now.isPaused && pause.abort() : stop.abort()));
    try {
      const result = await this.opts.client.upload(registration ?? { ...file.uploadSession, file: file.data }, {
        signal: stop.signal, pause: pause.signal,
        onProgress: ({ sentBytes, totalBytes }) => this.#tell("upload-progress", id, { bytesUploaded: sentBytes, bytesTotal: totalBytes }),
      });
      this.#tell("upload-success", id, { status: 200, body: result, uploadURL: result.fileUrl });
    } catch (/** @type {any} */ error) {
      if (stop.signal.aborted) return;
      if (pause.signal.aborted && error === pause.signal.reason) return this.#send(id, undefined, renewals);
      if (!error?.isOver || renewals >= MAX_RENEWALS) return this.#fail(id, error);
      this.uppy.setFileState(id, { uploadSession: undefined });
      await this.#registerAndSend([this.uppy.getFile(id)], renewals + 1);
    } finally {
      unwatch();
    }
  }

  /** @param {string} event @param {string} id @param {unknown} news */
  #tell(event, id, news) {
    if (this.uppy.getFile(id)) this.uppy.emit(event, this.uppy.getFile(id), news);
  }

  /** Uppy shows an error's `details`, too: those of an UploadError are for programs. @param {string} id @param {any} error */
  #fail(id, error) {
    this.#tell("upload-error", id, new Error(error?.message ?? String(error), { cause: error }));
  }

  /** Abort at the API what was registered for a file. @param {UppyFile} file */
  #discard = async ({ uploadSession: at, progress }) => {
    if (!at || progress?.uploadComplete) return;
    await this.opts.client.abortFile(at.sessionId, at.fileId).catch((error) => this.uppy.log(error, "warning"));
  };
}

export default /** @type {typeof BasePlugin<Options, any, any>} */ (/** @type {any} */ (UploadSessions));
