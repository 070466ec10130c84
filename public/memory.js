// @ts-check
/** What is kept in localStorage, to go on after a reload; all tabs share it.
 *
 * @typedef {import("./upload-client.js").Session} Session
 * @typedef {{ fileId: string, fileKey: string, name: string, size: number, lastModified: number, type: string,
 *   category: string }} Remembered
 */

const STORE = "uploads"; // { session, files: Remembered[] }

/** @returns {{ session: Session | null, files: Remembered[] }} */
export function stored() {
  try {
    const { session = null, files = [] } = JSON.parse(localStorage.getItem(STORE) ?? "{}");
    return { session, files };
  } catch {
    return { session: null, files: [] };
  }
}

/** @param {(state: { session: Session | null, files: Remembered[] }) => void} change */
export function store(change) {
  const state = stored();
  change(state);
  if (state.session) localStorage.setItem(STORE, JSON.stringify(state));
  else localStorage.removeItem(STORE);
}

/** @param {Remembered[]} some */
export function remember(some) {
  store(({ files }) => {
    for (const { fileId, fileKey, name, size, lastModified, type, category } of some) {
      const known = files.findIndex((file) => file.fileId === fileId);
      files.splice(known < 0 ? files.length : known, 1, { fileId, fileKey, name, size, lastModified, type, category });
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
  addEventListener("storage", ({ key }) => key === STORE && react());
}
