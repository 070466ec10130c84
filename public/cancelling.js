// @ts-check
/** Giving uploads up: one, or all of this tab; another tab's are left alone. */

import { UploadError } from "./upload-client.js";
import { change, inState, say, sayOf, unfinished } from "./list.js";
import { store, stored } from "./memory.js";
import { notify } from "./notice.js";
import { explainAlone } from "./reasons.js";
import { cancelAtApi, client, completed, fail, remove } from "./uploads.js";
import { nameIn } from "./words.js";

/** @typedef {import("./list.js").Item} Item */

/** @param {Item} item */
export async function cancel(item) {
  if (!(await isMeant([item])) || item.state === "completed") return;
  giveUp(item);
  try {
    await cancelAtApi(item);
    remove(item);
    sayOf(item, "is cancelled|are cancelled");
  } catch (error) {
    notCancelled(item, error);
  }
}

/** Abort everything of this tab that is not finished. */
export async function cancelAll() {
  const some = unfinished();
  some.forEach(giveUp);
  const bySession = grouped(some);
  for (const [sessionId, own] of bySession) {
    try {
      if (sessionId) await cancelIn(sessionId, own);
      own.forEach(remove);
    } catch (error) {
      own.forEach((item) => notCancelled(item, error));
    }
  }
  if (!unfinished().length) say(["All unfinished uploads are cancelled."]);
}

/** @param {Item} item */
function giveUp(item) {
  item.stop?.abort("cancel");
  change(item, { state: "cancelling" });
}

/** It may be complete by now; without its file it can only be cancelled again. @param {Item} item @param {unknown} error */
function notCancelled(item, error) {
  if (error instanceof UploadError && error.reason === "FILE_COMPLETED") return completed(item);
  if (item.file) return fail(item, error);
  change(item, { state: "interrupted" });
  notify(`${nameIn(item)} is not cancelled. ${error instanceof UploadError ? explainAlone(error) : ""}`);
}

/** @param {Item[]} some */
function grouped(some) {
  /** @type {Map<string | undefined, Item[]>} */ const groups = new Map();
  for (const item of some) groups.set(item.sessionId, [...(groups.get(item.sessionId) ?? []), item]);
  return groups;
}

/** The session as a whole, unless another tab has a file in it. @param {string} sessionId @param {Item[]} own */
async function cancelIn(sessionId, own) {
  const ids = new Set([...own, ...inState("completed")].map((item) => item.fileId));
  const isShared = [...stored().files, ...inState("elsewhere")].some((file) => file.sessionId === sessionId && !ids.has(file.fileId));
  if (isShared || own.length === 1) {
    for (const item of own) await cancelAtApi(item);
    return;
  }
  await client.cancelSession(sessionId);
  store((state) => {
    if (state.session?.sessionId === sessionId) state.session = null;
  });
}

/** Set by the page: asks people before much is thrown away. @type {(some: Item[]) => Promise<boolean>} */
let isMeant = async () => true;
/** @param {(some: Item[]) => Promise<boolean>} ask */
export const askBeforeCancelling = (ask) => (isMeant = ask);
