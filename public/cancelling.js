// @ts-check
/** Giving uploads up: one, or all of this tab; another tab's are left alone. */

import { UploadError } from "./upload-client.js";
import { change, inState, items, say, sayOf, unfinished } from "./list.js";
import { store, stored } from "./memory.js";
import { notify } from "./notice.js";
import { explainAlone } from "./reasons.js";
import { askForToken } from "./sign-in.js";
import { cancelAtApi, client, completed, fail, remove } from "./uploads.js";
import { nameIn } from "./words.js";

/** @typedef {import("./list.js").Item} Item */

/** @param {Item} item */
export async function cancel(item) {
  if (!(await isMeant([item])) || item.state === "completed") return;
  giveUp(item);
  if (await cancelOne(item)) sayOf(item, "is cancelled|are cancelled");
}

/** Abort everything of this tab that is not finished. */
export async function cancelAll() {
  const some = unfinished();
  some.forEach(giveUp);
  for (const [sessionId, own] of grouped(some)) {
    if (sessionId && own.length > 1 && !isShared(sessionId, own)) await cancelTogether(sessionId, own);
    else for (const item of own) await cancelOne(item);
  }
  if (!unfinished().length) say(["All unfinished uploads are cancelled."]);
}

/** @param {Item} item */
function giveUp(item) {
  item.stop?.abort("cancel");
  change(item, { state: "cancelling", isToCancel: false });
}

/** Somebody has signed in: what could not be cancelled for that is cancelled now. */
export async function cancelAgain() {
  const some = items().filter((item) => item.isToCancel);
  some.forEach(giveUp);
  for (const item of some) await cancelOne(item);
}

/** @param {Item} item @returns {Promise<boolean>} whether it is gone */
async function cancelOne(item) {
  try {
    await cancelAtApi(item);
    remove(item);
    return true;
  } catch (error) {
    notCancelled(item, error);
    return false;
  }
}

/** It may be complete by now; without its file it can only be cancelled again. @param {Item} item @param {unknown} error */
function notCancelled(item, error) {
  if (error instanceof UploadError && error.reason === "FILE_COMPLETED") return completed(item);
  item.isToCancel = error instanceof UploadError && error.status === 401;
  if (item.file) return fail(item, error);
  change(item, { state: "interrupted" });
  if (error instanceof UploadError && item.isToCancel) return askForToken(explainAlone(error));
  notify(`${nameIn(item)} is not cancelled. ${error instanceof UploadError ? explainAlone(error) : ""}`);
}

/** @param {Item[]} some */
function grouped(some) {
  /** @type {Map<string | undefined, Item[]>} */ const groups = new Map();
  for (const item of some) groups.set(item.sessionId, [...(groups.get(item.sessionId) ?? []), item]);
  return groups;
}

/** Whether another tab has a file in the session. @param {string} sessionId @param {Item[]} own */
function isShared(sessionId, own) {
  const ids = new Set([...own, ...inState("completed")].map((item) => item.fileId));
  return [...stored().files, ...inState("elsewhere")].some((file) => file.sessionId === sessionId && !ids.has(file.fileId));
}

/** The session as a whole. @param {string} sessionId @param {Item[]} own */
async function cancelTogether(sessionId, own) {
  try {
    await client.cancelSession(sessionId);
  } catch (error) {
    return own.forEach((item) => notCancelled(item, error));
  }
  store((state) => {
    if (state.session?.sessionId === sessionId) state.session = null;
  });
  // What was being assembled may be complete, and stays.
  const detail = own.some((item) => item.sentBytes >= item.size) && (await client.getSession(sessionId).catch(() => null));
  const urls = new Map(detail ? detail.files.filter(({ status }) => status === "completed").map((file) => [file.fileId, file.fileUrl]) : []);
  own.forEach((item) => (urls.has(item.fileId) ? completed(item, urls.get(item.fileId)) : remove(item)));
}

/** Set by the page: asks people before much is thrown away. @type {(some: Item[]) => Promise<boolean>} */
let isMeant = async () => true;
/** @param {(some: Item[]) => Promise<boolean>} ask */
export const askBeforeCancelling = (ask) => (isMeant = ask);
