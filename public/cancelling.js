// @ts-check
/** Giving uploads up: one, or all of this tab; another tab's are left alone. */

import { inState, say, unfinished } from "./list.js";
import { store, stored } from "./memory.js";
import { cancelAtApi, client, fail, remove } from "./uploads.js";

/** @typedef {import("./list.js").Item} Item */

/** @param {Item} item */
export async function cancel(item) {
  if (!(await isMeant([item]))) return;
  item.stop?.abort("cancel");
  try {
    await cancelAtApi(item);
    remove(item);
    say([`${item.name} is cancelled.`]);
  } catch (error) {
    fail(item, error);
  }
}

/** Abort everything of this tab that is not finished. */
export async function cancelAll() {
  const some = unfinished();
  some.forEach((item) => item.stop?.abort("cancel"));
  const bySession = grouped(some);
  for (const [sessionId, own] of bySession) {
    try {
      if (sessionId) await cancelIn(sessionId, own);
      own.forEach(remove);
    } catch (error) {
      own.forEach((item) => fail(item, error));
    }
  }
  if (!unfinished().length) say(["All unfinished uploads are cancelled."]);
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
