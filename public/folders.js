// @ts-check
/** The files of what was dropped: those of folders, too, without what systems put beside them. */

const BESIDE = new Set(["thumbs.db", "desktop.ini"]);

/** @param {DataTransfer} transfer @returns {Promise<File[]>} */
export async function filesOf(transfer) {
  // All entries first: after the event has passed, there are none.
  const found = [...transfer.items].filter((item) => item.kind === "file").map((item) => ({
    entry: item.webkitGetAsEntry?.(), file: item.getAsFile(),
  }));
  if (!found.length) return [...transfer.files];
  const all = await Promise.all(found.map(({ entry, file }) => (entry ? below(entry, file) : file ? [file] : [])));
  return all.flat();
}

/** Of a folder that was chosen. @param {Iterable<File>} files */
export const withoutHidden = (files) => [...files].filter((file) => !isHidden(file.name));

/** @param {FileSystemEntry} entry @param {File | null} [file] @returns {Promise<File[]>} */
async function below(entry, file) {
  if (entry.isFile) {
    const read = () => new Promise((resolve, reject) =>
      /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
    return [file ?? /** @type {File} */ (await read())];
  }
  const entries = await entriesOf(/** @type {FileSystemDirectoryEntry} */ (entry));
  const visible = entries.filter((one) => !isHidden(one.name));
  return (await Promise.all(visible.map((one) => below(one)))).flat();
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
