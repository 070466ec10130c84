// @ts-check
/** What is kept in localStorage, to go on after a reload; all tabs share it, and each user of this browser has what is theirs. */

import { user } from "./sign-in.js";

/**
 * @typedef {import("./upload-client.js").Session} Session
 * @typedef {{ fileId: string, fileKey: string, name: string, size: number, lastModified: number, type: string,
 *   category: string, sessionId?: string, fingerprint?: string, user?: string }} Remembered
 * @typedef {{ session: Session & { user?: string } | null, files: Remembered[] }} Memory `session` is the one that takes the next files
 */

const STORE = "uploads";

/** What this tab would keep, if the browser lets it keep nothing. @type {string | null} */
let ownOnly = null;

/** Whether a reload would find it. */
export let isKept = true;

/** Another app of this origin may write under the same name. @param {any} file */
const isWhole = (file) => file?.size > 0 && ["fileId", "fileKey", "name", "type"].every((key) => typeof file[key] === "string");

/** @returns {Memory} */
export const stored = () => ownOf(everybodys());

/** Until somebody has signed in, or where nobody has to, it is everybody's. @param {Memory} all @returns {Memory} */
function ownOf({ session, files }) {
  const who = user();
  const isOwn = (/** @type {{ user?: string } | null} */ kept) => !who || !kept?.user || kept.user === who;
  return { session: isOwn(session) ? session : null, files: files.filter(isOwn) };
}

/** @returns {Memory} */
function everybodys() {
  try {
    const { session = null, files = [] } = JSON.parse((isKept ? localStorage.getItem(STORE) : ownOnly) ?? "{}");
    // Before each file had its session, all of them were of one.
    return { session, files: files.filter(isWhole).map((/** @type {Remembered} */ file) => ({ sessionId: session?.sessionId, ...file })) };
  } catch {
    return { session: null, files: [] };
  }
}

/** @param {(state: Memory) => void} change */
export function store(change) {
  const all = everybodys();
  const state = ownOf(all);
  const own = new Set(state.files);
  const others = all.files.filter((file) => !own.has(file));
  const othersSession = state.session ? null : all.session;
  change(state);
  state.files.unshift(...others);
  state.session ??= othersSession;
  const text = state.session || state.files.length ? JSON.stringify(state) : null;
  ownOnly = text;
  try {
    if (text === null) localStorage.removeItem(STORE);
    else localStorage.setItem(STORE, text);
    isKept = true;
  } catch { // blocked, or full
    isKept = false;
  }
}

/** @param {Remembered[]} some */
export function remember(some) {
  store(({ files }) => {
    for (const { fileId, fileKey, name, size, lastModified, type, category, sessionId, fingerprint } of some) {
      const known = files.findIndex((file) => file.fileId === fileId);
      const entry = { fileId, fileKey, name, size, lastModified, type, category, sessionId, fingerprint, user: user() };
      files.splice(known < 0 ? files.length : known, 1, entry);
    }
  });
}

/** @param {Remembered[]} some */
export function forget(some) {
  const ids = new Set(some.map((item) => item.fileId));
  store((state) => {
    state.files = state.files.filter((file) => !ids.has(file.fileId));
    if (!state.files.length) state.session = null;
  });
}

/** @param {() => void} react called when another tab has changed it */
export function onChangeElsewhere(react) {
  addEventListener("storage", ({ key }) => (key === STORE || key === null) && react());
}
