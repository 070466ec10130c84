// @ts-check
/** Several tabs: the one that holds a file's lock sends it, and tells the others how far it is. */

/** @typedef {import("./list.js").Item} Item */
/** @typedef {{ fileId: string, state: string, sentBytes: number, partSizeBytes: number, sentByPart: number[], fileUrl?: string }} Beat */

const HEARD_MS = 5000; // without locks (plain http): a tab that was silent for so long is gone
export const LAST_WORD_MS = 200; // so long a message or a stored value may take to the other tabs
const channel = open();

function open() {
  try {
    return new BroadcastChannel("uploads");
  } catch { // not there, or blocked with the storage
    return null;
  }
}

/** Null on plain http, and if storage is blocked. @type {Promise<LockManager | null> | undefined} */
let usable;
function locks() {
  usable ??= (async () => {
    await navigator.locks.query();
    return navigator.locks;
  })().catch(() => null);
  return usable;
}

/** @type {Map<string, number>} */
const heardAt = new Map();

/** @param {string} fileId */
const lockOf = (fileId) => `upload ${fileId}`;

/** Hold a file for this tab, until it is released. @param {Item} item @returns {Promise<boolean>} false: another tab has it */
export async function hold(item) {
  if (item.release) return true;
  const { fileId } = item;
  const manager = await locks();
  if (!manager) {
    if (wasHeard(fileId)) return false;
    item.release = () => {};
    return true;
  }
  return new Promise((resolve) => {
    manager.request(lockOf(fileId), { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise((release) => (item.release = () => release(undefined)));
    });
  });
}

/** @param {Item} item */
export function release(item) {
  item.release?.();
  item.release = undefined;
}

/** Resolves when no other tab has the file. @param {string} fileId */
export async function released(fileId) {
  const manager = await locks();
  if (manager) return manager.request(lockOf(fileId), () => {});
  while (wasHeard(fileId)) await new Promise((done) => setTimeout(done, HEARD_MS));
}

/** @returns {Promise<(fileId: string) => boolean>} which files some tab holds */
export async function heldFiles() {
  const manager = await locks();
  if (!manager) return wasHeard;
  const held = new Set((await manager.query()).held?.map((lock) => lock.name));
  return (fileId) => held.has(lockOf(fileId));
}

/** One tab at a time. What it has stored, if it `hasStored` anything, reaches the others a moment after it: their turn
 * comes then. @template T @param {() => Promise<T>} task @param {(done: T) => boolean} hasStored @returns {Promise<T>} */
export async function inTurn(task, hasStored) {
  const manager = await locks();
  if (!manager) return task();
  return new Promise((resolve, reject) => {
    manager.request("upload session", async () => {
      const done = await task();
      resolve(done);
      if (hasStored(done)) await new Promise((end) => setTimeout(end, LAST_WORD_MS));
    }).catch(reject);
  });
}

/** Tell the other tabs about the files of this one. @param {Item[]} items */
export function beat(items) {
  const beats = items.filter((item) => item.release).map(({ fileId, state, sentBytes, partSizeBytes, sentByPart, fileUrl }) =>
    ({ fileId, state, sentBytes, partSizeBytes, sentByPart, fileUrl }));
  if (beats.length) channel?.postMessage(beats);
}

/** @param {(beat: Beat) => void} react */
export function onBeat(react) {
  channel?.addEventListener("message", ({ data }) => {
    for (const one of /** @type {Beat[]} */ (data)) {
      heardAt.set(one.fileId, performance.now());
      react(one);
    }
  });
}

/** @param {string} fileId */
function wasHeard(fileId) {
  return performance.now() - (heardAt.get(fileId) ?? -Infinity) < HEARD_MS;
}
