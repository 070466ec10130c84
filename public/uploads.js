// @ts-check
/** What happens to the files: chosen, registered, sent, cancelled, and found again after a reload. */

import { UploadClient, UploadError, typeOf } from "./upload-client.js";
import { addRow, change, inState, items, refresh, removeRow, say } from "./list.js";
import { forget, remember, store, stored } from "./memory.js";
import { element } from "./row.js";
import { askForToken, token } from "./sign-in.js";
import { explain, names, plural } from "./words.js";

/**
 * @typedef {import("./list.js").Item} Item
 * @typedef {import("./memory.js").Remembered} Remembered
 * @typedef {import("./upload-client.js").Session} Session
 * @typedef {import("./upload-client.js").Upload} Upload
 * @typedef {import("./upload-client.js").FileSummary} FileSummary
 */

const NOBODY = "00000000-0000-0000-0000-000000000000";
const SESSION_OVER = new Set(["SESSION_EXPIRED", "SESSION_NOT_ACTIVE", "SESSION_NOT_FOUND"]);
const UPLOAD_GONE = new Set(["UPLOAD_NOT_FOUND", "FILE_NOT_FOUND"]);

const client = new UploadClient({ getToken: token });

// --- Choosing

/** @param {Iterable<File>} files */
export function choose(files) {
  const added = [], back = [], elsewhere = [], changed = [], again = [];
  for (const file of files) {
    const known = items().find((item) => isSame(item, file));
    if (!known) {
      added.push(addItem(newItem(file)));
    } else if (known.lastModified !== file.lastModified) {
      change(known, { note: "This file has changed since: what was sent belongs to the old one. Cancel it, then choose it again." });
      changed.push(known);
    } else {
      known.file = file;
      if (known.state === "interrupted") back.push(known);
      else if (known.state === "elsewhere") elsewhere.push(known);
      else again.push(known);
    }
  }
  for (const item of back) run(item);
  say([
    added.length && `${plural(added.length, "file")} added.`,
    back.length && `Going on with ${plural(back.length, "file")}.`,
    elsewhere.length && `${names(elsewhere)}: being uploaded in another tab.`,
    changed.length && `${names(changed)}: changed since.`,
    again.length && `${names(again)}: in the list already.`,
  ]);
  if (!added.length) return;
  refresh(); // the button must be there to take the focus
  element("start").focus();
}

/** Of a file from before the reload, name and size say that it is meant; whether it has changed is said later.
 * @param {Item} item @param {File} file */
function isSame(item, file) {
  if (item.state === "completed" || item.name !== file.name || item.size !== file.size) return false;
  return !item.file || item.lastModified === file.lastModified;
}

/** @param {File} file @returns {Item} */
function newItem(file) {
  const type = typeOf(file);
  return {
    fileId: crypto.randomUUID(), fileKey: freeKey(file.name), name: file.name, size: file.size,
    lastModified: file.lastModified, type, category: categoryOf(type), file, state: "ready", ...nothingSent(),
  };
}

function nothingSent() {
  return { sentBytes: 0, partSizeBytes: 0, sentByPart: /** @type {number[]} */ ([]), kept: /** @type {Set<number>} */ (new Set()) };
}

/** A key that no other file of the list has: two files may have one name. @param {string} name */
function freeKey(name) {
  const taken = new Set(items().map((item) => item.fileKey));
  let key = name;
  for (let n = 2; taken.has(key); n++) key = `${name} (${n})`;
  return key;
}

/** What the API would derive. @param {string} type */
function categoryOf(type) {
  if (type === "application/pdf") return "instruction";
  return type.startsWith("image/") ? "image" : "parts-list";
}

/** @param {Item} item */
function addItem(item) {
  addRow(item, {
    pause: () => pause(item),
    resume: () => run(item),
    retry: () => retry(item),
    cancel: () => cancel(item),
    remove: () => remove(item),
    category: (value) => change(item, { category: value }),
  });
  return item;
}

/** @param {Item} item */
export function pause(item) {
  item.stop?.abort("pause");
}

// --- Uploading

/** The stored session, or a new one; the API says when the stored one is over. @returns {Promise<Session>} */
async function openSession() {
  const { session } = stored();
  if (session) return session;
  const created = await client.createSession();
  store((state) => (state.session = created));
  return created;
}

/** Register what was chosen, all at once, and send what was accepted. @param {Item[]} some */
export async function begin(some, again = true) {
  some.forEach((item) => change(item, { state: "registering", error: undefined, note: undefined }));
  try {
    const session = await openSession();
    some.forEach((item) => (item.sessionId = session.sessionId));
    remember(some); // before the answer, which may be lost
    const choices = some.map((item) => ({ ...item, file: /** @type {File} */ (item.file) }));
    const registrations = await client.register(session, choices);
    const refused = some.filter((item, i) => registrations[i].error && refuse(item, registrations[i].error));
    forget(refused);
    some.forEach((item, i) => registrations[i].error || run(item, registrations[i]));
    if (refused.length) say([`${names(refused)} refused: ${explain(refused[0].error)}`]);
  } catch (error) {
    if (again && error instanceof UploadError && SESSION_OVER.has(error.reason)) {
      store((state) => (state.session = null));
      some.forEach((item) => (item.fileId = crypto.randomUUID()));
      return begin(some, false);
    }
    some.forEach((item) => fail(item, error));
  }
}

/** Send what is missing of a registered file, unless another tab does. @param {Item} item @param {Upload} [upload] */
export function run(item, upload) {
  return alone(item, async () => {
    if (!item.sessionId || !item.file) return;
    item.stop = new AbortController();
    change(item, { state: "queued", error: undefined, note: undefined });
    const resuming = !upload;
    let first = true;
    try {
      await client.upload(upload ?? { sessionId: item.sessionId, fileId: item.fileId, file: item.file }, {
        signal: item.stop.signal,
        onProgress: ({ state, sentBytes, partSizeBytes, sentByPart }) => {
          if (item.stop?.signal.aborted) return;
          if (first && resuming) item.kept = new Set(sentByPart.flatMap((sent, i) => (sent ? [i + 1] : [])));
          first = first && !sentByPart.length;
          change(item, { state, sentBytes, partSizeBytes, sentByPart });
        },
      });
      say([`${item.name} is uploaded.`]);
    } catch (error) {
      await stopped(item, error);
    }
  });
}

/** @param {Item} item @param {unknown} error */
async function stopped(item, error) {
  if (error === "cancel") return;
  if (error === "pause") {
    change(item, { state: "paused" });
    return say([`${item.name} is paused.`]);
  }
  if (error instanceof UploadError && UPLOAD_GONE.has(error.reason) && !item.isRenewed) {
    change(item, { isRenewed: true, ...nothingSent() });
    say([`${item.name}: the store had forgotten this upload. It is sent anew.`]);
    return setTimeout(() => begin([item])); // with the lock given back
  }
  fail(item, error);
}

/** @param {Item} item @param {unknown} error */
function fail(item, error) {
  change(item, { state: "failed", error: error instanceof Error ? error : new Error(String(error)) });
  if (error instanceof UploadError && error.status === 401) return askForToken(error.message);
  say([`${item.name}: ${explain(item.error)}`]);
}

/** @param {Item} item @param {UploadError} [error] */
function refuse(item, error) {
  change(item, { state: "refused", error });
  return true;
}

/** @param {Item} item */
export function retry(item) {
  const reason = item.error instanceof UploadError ? item.error.reason : "";
  const wasRegistered = item.state === "failed" && item.sentByPart.length > 0;
  item.isRenewed = false;
  if (SESSION_OVER.has(reason)) {
    if (stored().session?.sessionId === item.sessionId) store((state) => (state.session = null));
    forget([item]);
    change(item, { fileId: crypto.randomUUID(), ...nothingSent() });
  } else if (wasRegistered) {
    return run(item);
  }
  return begin([item]);
}

/** @param {Item} item */
async function cancel(item) {
  item.stop?.abort("cancel");
  try {
    if (item.sessionId) await client.abortFile(item.sessionId, item.fileId);
    remove(item);
    say([`${item.name} is cancelled.`]);
  } catch (error) {
    fail(item, error);
  }
}

/** @param {Item} item */
export function remove(item) {
  forget([item]);
  removeRow(item);
}

/** Abort everything that is not finished. */
export async function cancelAll() {
  const some = items().filter((item) => item.state !== "completed");
  some.forEach((item) => item.stop?.abort("cancel"));
  const { session } = stored();
  try {
    if (session) await client.cancelSession(session.sessionId);
    store((state) => (state.session = null));
    some.forEach(remove);
    say(["All unfinished uploads are cancelled."]);
  } catch (error) {
    some.forEach((item) => fail(item, error));
  }
}

// --- Several tabs: whoever has the lock of a file sends it

/** @param {Item} item */
const lockOf = (item) => `upload ${item.fileId}`;

/** @param {Item} item @param {() => Promise<void>} task */
async function alone(item, task) {
  if (!navigator.locks) return task(); // an old browser: S3 and the API stand two tabs, they only waste bytes
  await navigator.locks.request(lockOf(item), { ifAvailable: true }, (lock) => {
    if (lock) return task();
    waitForOther(item);
  });
}

/** @param {Item} item */
async function waitForOther(item) {
  change(item, { state: "elsewhere" });
  await navigator.locks.request(lockOf(item), () => {});
  if (items().includes(item)) await restore();
}

// --- Going on after a reload

/** Show what storage and the API know of earlier uploads; also when another tab has changed them. */
export async function restore() {
  const { session, files } = stored();
  if (!session) {
    inState("interrupted", "elsewhere").forEach(remove);
    return;
  }
  try {
    const detail = await client.getSession(session.sessionId);
    const held = new Set((await navigator.locks?.query())?.held?.map((lock) => lock.name));
    if (detail.status !== "active") return over(files);
    const summaries = new Map(detail.files.map((summary) => [summary.fileId, summary]));
    for (const file of files) {
      const known = items().find((item) => item.fileId === file.fileId);
      if (known && known.state !== "interrupted" && known.state !== "elsewhere") continue;
      const item = known ?? addItem({ ...file, state: "interrupted", ...nothingSent() });
      await restoreItem(item, summaries.get(file.fileId), detail, held.has(lockOf(item)));
    }
    inState("interrupted", "elsewhere").filter((item) => !files.some((f) => f.fileId === item.fileId)).forEach(remove);
  } catch (error) {
    if (!(error instanceof UploadError)) throw error;
    if (error.status === 401) return askForToken(error.message);
    if (error.status === 404) return over(files);
    say([error.message]);
  }
}

/** @param {Item} item @param {FileSummary | undefined} summary @param {Session} session @param {boolean} isHeld */
async function restoreItem(item, summary, session, isHeld) {
  item.sessionId = session.sessionId;
  if (summary?.status === "completed") {
    const sentByPart = Array(summary.partCount).fill(session.partSizeBytes);
    return change(item, { state: "completed", sentBytes: item.size, partSizeBytes: session.partSizeBytes, sentByPart });
  }
  if (summary) {
    const { partCount, partSizeBytes, missingPartNumbers } = await client.getParts(session.sessionId, item.fileId);
    const missing = new Set(missingPartNumbers);
    const sentByPart = Array.from({ length: partCount }, (_, i) =>
      missing.has(i + 1) ? 0 : Math.min(partSizeBytes, item.size - i * partSizeBytes));
    const sentBytes = sentByPart.reduce((sum, sent) => sum + sent, 0);
    change(item, { sentBytes, partSizeBytes, sentByPart });
  }
  change(item, { state: isHeld ? "elsewhere" : "interrupted" });
  if (isHeld) waitForOther(item);
  else if (item.file) run(item);
}

/** The session is over: what was unfinished in it has to begin anew. @param {Remembered[]} files */
function over(files) {
  store((state) => (state.session = null));
  inState("interrupted", "elsewhere").forEach(remove);
  if (files.length) say(["The last upload session is over: choose its files again to upload them anew."]);
}

/** Find out whether somebody has to sign in, and what there is to go on with. */
export async function arrive() {
  if (stored().session) return restore();
  try {
    await client.getSession(NOBODY);
  } catch (error) {
    if (error instanceof UploadError && error.status === 401) askForToken(error.message);
  }
}

/** Signed in again: go on with what had failed for it. */
export async function arriveAgain() {
  await arrive();
  inState("failed").filter((item) => item.error instanceof UploadError && item.error.status === 401).forEach(retry);
}
