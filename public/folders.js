// @ts-check
/** The files of what was dropped: those of folders, too, without what systems put beside them. */

const BESIDE = new Set(["thumbs.db", "desktop.ini"]);

/** @typedef {{ files: File[], unreadable: string[] }} Found */

/** @param {DataTransfer} transfer @returns {Promise<Found>} what cannot be read does not keep the rest back */
export async function filesOf(transfer) {
  // All entries first: after the event has passed, there are none.
  const found = [...transfer.items].filter((item) => item.kind === "file").map((item) => ({
    entry: item.webkitGetAsEntry?.(), file: item.getAsFile(),
  }));
  if (!found.length) return { files: [...transfer.files], unreadable: [] };
  /** @type {Found} */ const all = { files: [], unreadable: [] };
  for (const { entry, file } of found) {
    if (entry) await collect(entry, all, file);
    else if (file) all.files.push(file);
  }
  return all;
}

/** Of a folder that was chosen. @param {Iterable<File>} files */
export const withoutHidden = (files) => [...files].filter((file) => !isHidden(file.name));

/** @param {FileSystemEntry} entry @param {Found} all @param {File | null} [file] */
async function collect(entry, all, file) {
  try {
    if (entry.isFile) {
      const read = () => new Promise((resolve, reject) =>
        /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
      all.files.push(file ?? /** @type {File} */ (await read()));
      return;
    }
    const entries = await entriesOf(/** @type {FileSystemDirectoryEntry} */ (entry));
    for (const one of entries.filter(({ name }) => !isHidden(name))) await collect(one, all);
  } catch {
    all.unreadable.push(entry.name);
  }
}

/** @param {FileSystemDirectoryEntry} folder @returns {Promise<FileSystemEntry[]>} */
async function entriesOf(folder) {
  const reader = folder.createReader();
  /** @type {FileSystemEntry[]} */ const all = [];
  for (;;) { // a browser gives a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

/** @param {string} name */
function isHidden(name) {
  return name.startsWith(".") || BESIDE.has(name.toLowerCase());
}
