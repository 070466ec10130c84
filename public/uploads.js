// @ts-check
/** What happens to files after they were chosen: registered, sent, paused, tried again, cancelled. */

import { SESSION_OVER, UploadClient, UploadError, fingerprintOf, registerAcrossSessions, uuid } from "./upload-client.js";
import { change, isGone, items, removeRow, say, sayOf } from "./list.js";
import { forget, isKept, remember, store, stored } from "./memory.js";
import { notify } from "./notice.js";
import { category, isKnown } from "./policy.js";
import { explain } from "./reasons.js";
import { askForToken, token, user } from "./sign-in.js";
import { LAST_WORD_MS, beat, hold, inTurn, release, released } from "./tabs.js";
import { names, plural } from "./words.js";

/**
 * @typedef {import("./list.js").Item} Item
 * @typedef {import("./upload-client.js").Session} Session
 * @typedef {import("./upload-client.js").Upload} Upload
 * @typedef {import("./upload-client.js").Registration} Registration
 */

const MAX_RENEWALS = 3; // of one file: a session that ends again and again is not followed forever
const TOGETHER_MS = 150; // files whose session ends together are registered together

export const client = new UploadClient({ getToken: token });

export function nothingSent() {
  return { sentBytes: 0, partSizeBytes: 0, sentByPart: /** @type {number[]} */ ([]), kept: /** @type {Set<number>} */ (new Set()) };
}

// --- Registering

/** Once more, if it could not be loaded: then files have their category before they go. @type {() => Promise<void>} */
let learnPolicy = async () => {};
/** @param {() => Promise<void>} learn */
export const learnBeforeStart = (learn) => (learnPolicy = learn);

/** The stored session; a new one if there is none, or if that one takes no more. Two tabs share it.
 * @param {Session | null} spent */
function openSession(spent) {
  return inTurn(async () => {
    const { session } = stored();
    if (session && session.sessionId !== spent?.sessionId) return { session, isNew: false };
    const created = await client.createSession();
    store((state) => (state.session = { ...created, user: user() }));
    return { session: created, isNew: true };
  }, ({ isNew }) => isNew);
}

/** How many of the next files are worth asking a session for: what it holds is known, another tab's included.
 * @param {Session} session @param {{ category?: string }[]} next */
function room(session, next) {
  const inSession = new Map([...stored().files, ...items()].map((file) => [file.fileId, file]));
  const held = [...inSession.values()].filter((file) => file.sessionId === session.sessionId && !("state" in file && file.state === "registering"));
  /** @param {string | undefined} name */
  const countOf = (name) => held.filter((file) => file.category === name).length;
  const left = new Map(next.map((one) => [one.category, (category(one.category ?? "")?.maxFiles ?? Infinity) - countOf(one.category)]));
  let places = (session.maxFiles ?? Infinity) - held.length, count = 0;
  for (const one of next) {
    const ofCategory = left.get(one.category) ?? Infinity;
    if (places <= 0 || ofCategory <= 0) break;
    left.set(one.category, ofCategory - 1);
    places--;
    count++;
  }
  return count;
}

/** Register what was chosen, all at once, and send what was accepted. @param {Item[]} some */
export async function start(some) {
  some.forEach((item) => change(item, { state: "registering", error: undefined, isRegistered: false, isHeld: false, isToCancel: false }));
  await Promise.all(some.map(hold)); // before they are remembered: other tabs see at once that they are live
  await Promise.all(some.map(mark));
  if (!isKnown()) await learnPolicy();
  const going = some.filter((item) => item.state === "registering");
  try {
    const registrations = await registerAcrossSessions(client, going.map(choiceOf), {
      open: openSession, room,
      onAsk: (session, asked, indexes) => {
        asked.forEach(({ fileId, fileKey }, n) => become(going[indexes[n]], { fileId, fileKey: fileKey ?? fileId, sessionId: session.sessionId }));
        remember(indexes.map((i) => going[i])); // before the answer, which may be lost
      },
      onAccepted: (registration, i) => {
        if (going[i].state === "registering") run(going[i], registration);
        else dropLate(going[i]);
      },
    });
    refuse(going.filter((item, i) => registrations[i].error && change(item, { state: "refused", error: registrations[i].error }) === undefined));
  } catch (error) {
    going.filter((item) => item.state === "registering").forEach((item) => fail(item, error));
  }
  if (!isKept) notify("This browser does not let the page remember anything: keep it open until the uploads are done.");
}

/** Registered after it was cancelled. @param {Item} item */
function dropLate(item) {
  forget([item]);
  release(item);
  cancelAtApi(item).catch(() => {}); // the store's own clean-up removes what stays
}

/** @param {Item} item */
const choiceOf = ({ file, fileId, fileKey, category: name }) => ({ file: /** @type {File} */ (file), fileId, fileKey, category: name });

/** @param {Item} item @param {{ fileId: string, fileKey: string, sessionId: string }} changes */
function become(item, changes) {
  if (changes.fileId !== item.fileId) {
    forget([item]);
    release(item);
    hold(Object.assign(item, changes));
  }
  Object.assign(item, changes);
}

/** @param {Item} item */
async function mark(item) {
  try {
    item.fingerprint ??= await fingerprintOf(/** @type {File} */ (item.file));
  } catch {
    fail(item, new UploadError("FILE_UNREADABLE", "The file cannot be read."));
  }
}

/** @param {Item[]} refused */
function refuse(refused) {
  if (!refused.length) return;
  forget(refused);
  refused.forEach(release);
  say([`${names(refused)} refused: ${explain(refused[0])}`]);
}

// --- Sending

/** Send what is missing of registered files. @param {Item[]} some */
export function resume(some) {
  for (const item of some) {
    if (item.state === "pausing") change(item, { goesOn: true });
    else run(item);
  }
}

/** Send what is missing of a file, unless another tab does. @param {Item} item @param {Upload} [upload] */
export async function run(item, upload) {
  if (!item.sessionId || !item.file) return;
  if (!(await hold(item))) return waitForOther(item);
  if (isGone(item)) return release(item);
  if (item.isHeld) return change(item, { state: "paused", isHeld: false, isRegistered: true });
  const { file, fileId, sessionId } = item;
  item.stop = new AbortController();
  item.pause = new AbortController();
  item.goesOn = false;
  change(item, { state: "queued", error: undefined, isRegistered: true, isToCancel: false });
  let first = !upload;
  try {
    const { fileUrl } = await client.upload(upload ?? { sessionId, fileId, file }, {
      signal: item.stop.signal,
      pause: item.pause.signal,
      onProgress: ({ state, sentBytes, partSizeBytes, sentByPart }) => {
        if (first && sentByPart.length) {
          item.kept = new Set(sentByPart.flatMap((sent, i) => (sent ? [i + 1] : [])));
          first = false;
        }
        if (state === "completed") return;
        const isPausing = item.pause?.signal.aborted && state !== "completing";
        change(item, {
          state: isPausing ? "pausing" : state, partSizeBytes: partSizeBytes || item.partSizeBytes,
          sentBytes: Math.max(sentBytes, item.sentBytes), // what is shown never falls
          sentByPart: sentByPart.length ? sentByPart.map((sent, i) => Math.max(sent, item.sentByPart[i] ?? 0)) : item.sentByPart,
        });
      },
    });
    completed(item, fileUrl);
  } catch (error) {
    stopped(item, error);
  }
}

/** @param {Item} item @param {string} [fileUrl] */
export function completed(item, fileUrl) {
  change(item, { state: "completed", sentBytes: item.size, note: undefined, error: undefined, fileUrl });
  beat([item]); // so that other tabs need not ask
  release(item);
  sayOf(item, "is uploaded|are uploaded");
}

/** Complete a file whose parts are all there: that takes no file. @param {Item} item */
export async function finish(item) {
  if (!item.sessionId) return;
  if (!(await hold(item))) return waitForOther(item);
  change(item, { state: "completing" });
  try {
    completed(item, (await client.complete(item.sessionId, item.fileId)).fileUrl);
  } catch {
    release(item);
    change(item, { state: "interrupted" }); // choosing the file again finds out why
  }
}

/** @param {Item} item @param {unknown} error */
function stopped(item, error) {
  if (error === "cancel" || isGone(item)) return;
  if (error === "pause") {
    change(item, { state: "paused" });
    if (item.goesOn) return run(item);
    return sayOf(item, "is paused|are paused");
  }
  const canRenew = error instanceof UploadError && error.isOver && (item.renewals ?? 0) < MAX_RENEWALS;
  if (canRenew) return renew(item, SESSION_OVER.has(error.reason));
  fail(item, error);
}

/** @type {{ over: Item[], gone: Item[] }} */
let waiting = { over: [], gone: [] };

/** Register a file again, together with the others that lost their upload at the same time. @param {Item} item @param {boolean} isOver */
function renew(item, isOver) {
  change(item, { state: "registering", renewals: (item.renewals ?? 0) + 1, ...nothingSent() });
  if (!waiting.over.length && !waiting.gone.length) setTimeout(renewAll, TOGETHER_MS);
  waiting[isOver ? "over" : "gone"].push(item);
}

function renewAll() {
  const { over, gone } = waiting;
  waiting = { over: [], gone: [] };
  const sessions = new Set(over.map((item) => item.sessionId));
  store((state) => {
    if (state.session && sessions.has(state.session.sessionId)) state.session = null;
  });
  over.forEach((item) => become(item, { fileId: uuid(), fileKey: item.fileKey, sessionId: "" }));
  if (over.length) notify(`The upload session had ended: ${plural(over.length, "file")} ${over.length === 1 ? "is" : "are"} sent again in a new one.`);
  if (gone.length) say([`${names(gone)}: the store had forgotten this upload. It is sent again.`]);
  start([...over, ...gone]);
}

/** @param {Item} item @param {unknown} error */
export function fail(item, error) {
  change(item, { state: "failed", error: error instanceof Error ? error : new Error(String(error)) });
  if (error instanceof UploadError && error.status === 401) return askForToken(explain(item));
  sayOf(item, explain(item));
}

// --- What people press

/** @param {Item} item */
export function pause(item) {
  if (item.state === "registering") return change(item, { isHeld: true });
  if (!["queued", "uploading", "waiting"].includes(item.state)) return;
  item.pause?.abort("pause");
  change(item, { state: "pausing" });
}

/** @param {Item[]} some */
export function retry(some) {
  const able = some.filter((item) => item.file);
  able.forEach((item) => (item.renewals = 0));
  const registered = able.filter((item) => item.state === "failed" && item.isRegistered);
  registered.forEach((item) => run(item));
  const others = able.filter((item) => !registered.includes(item));
  if (others.length) start(others);
}

/** A file that is sent by another tab is shown, and goes on here when that one is closed. @param {Item} item */
export async function waitForOther(item) {
  change(item, { state: "elsewhere" });
  await released(item.fileId);
  await new Promise((done) => setTimeout(done, LAST_WORD_MS));
  if (!items().includes(item) || item.state !== "elsewhere") return;
  change(item, { state: "interrupted" });
  onReleased();
}

let onReleased = () => {};
/** @param {() => void} react called when another tab has given a file back */
export const listenForReleases = (react) => (onReleased = react);

/** @param {Item} item */
export async function cancelAtApi(item) {
  if (item.sessionId) await client.abortFile(item.sessionId, item.fileId);
}

/** @param {Item} item */
export function remove(item) {
  forget([item]);
  takeOff(item);
}

/** What another tab has forgotten: to write that once more could bring back what it forgets next. @param {Item} item */
export function takeOff(item) {
  release(item);
  removeRow(item);
}
