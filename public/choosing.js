// @ts-check
/** What happens to files that people choose or drop: new ones, known ones, ones that only look known. */

import { fingerprintOf, uuid } from "./upload-client.js";
import { cancel } from "./cancelling.js";
import { addRow, change, isActive, items, refresh, say, withName } from "./list.js";
import { forget, stored } from "./memory.js";
import { categoryOf, problemOf } from "./policy.js";
import { element } from "./row.js";
import { release } from "./tabs.js";
import { cancelAtApi, nothingSent, pause, remove, resume, retry, start } from "./uploads.js";
import { names, plural } from "./words.js";

/** @typedef {import("./list.js").Item} Item @typedef {import("./memory.js").Remembered} Remembered */

const MAX_KEY = 255; // characters

/** @type {Promise<void>} */
let choosing = Promise.resolve();

/** One lot after the other: a file that is in two of them is one. @param {Iterable<File>} files */
export function choose(files) {
  const lot = [...files];
  return (choosing = choosing.catch(() => {}).then(() => chooseNow(lot)));
}

/** @param {File[]} files */
async function chooseNow(files) {
  const taken = new Set([...items(), ...stored().files].map((item) => item.fileKey.normalize()));
  /** @type {Record<"added" | "refused" | "back" | "elsewhere" | "changed" | "again" | "replaced", Item[]>} */
  const came = { added: [], refused: [], back: [], elsewhere: [], changed: [], again: [], replaced: [] };
  for (const file of files) {
    const known = await knownAs(file);
    if (!known) {
      const item = addItem(newItem(file, taken));
      came[item.state === "refused" ? "refused" : "added"].push(item);
    } else {
      came[await meetAgain(known, file)].push(known);
    }
  }
  resume(came.back);
  if (came.replaced.length) start(came.replaced);
  say([
    came.added.length && `${plural(came.added.length, "file")} added.`,
    came.refused.length && `${names(came.refused)} cannot be uploaded.`,
    came.back.length && `Going on with ${plural(came.back.length, "file")}.`,
    came.elsewhere.length && `${names(came.elsewhere)}: being uploaded in another tab.`,
    came.changed.length && `${names(came.changed)}: is it the same file?`,
    came.replaced.length && `${names(came.replaced)} had changed, and is sent as it is now.`,
    came.again.length && `${names(came.again)}: in the list already.`,
  ]);
  if (!came.added.length) return;
  refresh(); // the button must be there to take the focus
  element("start").focus();
}

/** The row that a file belongs to. Of one from before the reload, the name says that it is meant.
 * @param {File} file @returns {Promise<Item | undefined>} */
async function knownAs(file) {
  const namesakes = withName(file.name).filter((item) => item.state !== "completed" && item.state !== "cancelling");
  const sameSize = namesakes.filter((item) => item.size === file.size);
  for (const item of sameSize) {
    if (item.file === file || (await isSame(item, file))) return item;
  }
  return sameSize.find((item) => !item.file) ?? namesakes.find((item) => !item.file || isUnreadable(item));
}

/** Two files of one name, size and time may still be two: copies in a folder, or what was unpacked together.
 * @param {Item} item @param {File} file */
async function isSame(item, file) {
  if (item.file && !isUnreadable(item)) item.fingerprint ??= await markOf(item.file);
  return item.fingerprint !== undefined && item.fingerprint === (await markOf(file));
}

/** @param {Item} item */
const isUnreadable = (item) => !!item.error && "reason" in item.error && item.error.reason === "FILE_UNREADABLE";

/** @param {Item} item @param {File} file @returns {Promise<"back" | "elsewhere" | "changed" | "again" | "replaced">} */
async function meetAgain(item, file) {
  if (isUnreadable(item)) {
    await replace(item, file);
    return "replaced";
  }
  if (item.file || isActive(item)) return "again";
  const mark = await markOf(file);
  const isOther = item.size !== file.size || (item.fingerprint !== undefined && item.fingerprint !== mark);
  if (isOther || !item.fingerprint) {
    change(item, { state: isOther ? "changed" : "unsure", other: file });
    return "changed";
  }
  Object.assign(item, { file, other: undefined });
  return item.state === "elsewhere" ? "elsewhere" : "back";
}

/** Start over with another file in the same row. @param {Item} item @param {File} file */
async function replace(item, file) {
  cancelAtApi(item).catch(() => {}); // the store's own clean-up removes what stays
  forget([item]);
  release(item);
  change(item, {
    ...nothingSent(), file, other: undefined, error: undefined, note: "The file had changed: it is sent as it is now.",
    fileId: uuid(), sessionId: undefined, size: file.size, lastModified: file.lastModified, fingerprint: undefined,
  });
}

/** People say that it is another file. @param {Item} item */
export async function startOver(item) {
  if (!item.other) return;
  await replace(item, item.other);
  item.note = undefined;
  start([item]);
}

/** People say that it is the same one. @param {Item} item */
export function goOn(item) {
  if (item.other) Object.assign(item, { file: item.other, other: undefined });
  resume([item]);
}

/** @type {WeakMap<Blob, Promise<string | undefined>>} */
const marks = new WeakMap();

/** @param {Blob} file @returns {Promise<string | undefined>} */
function markOf(file) {
  const mark = marks.get(file) ?? fingerprintOf(file).catch(() => undefined); // it cannot be read: sending it says so
  marks.set(file, mark);
  return mark;
}

/** @param {File} file @param {Set<string>} taken @returns {Item} */
function newItem(file, taken) {
  return {
    fileId: uuid(), fileKey: freeKey(file.name, taken), name: file.name, size: file.size, lastModified: file.lastModified,
    type: file.type, file, ...verdict(file), ...nothingSent(),
  };
}

/** @param {File} file @returns {Pick<Item, "category" | "state" | "note">} */
function verdict(file) {
  const problem = problemOf(file);
  return { category: categoryOf(file), state: problem ? "refused" : "ready", note: problem || undefined };
}

/** Of a file that was chosen when nothing was known of what is accepted. @param {Item} item */
export function judge(item) {
  if (!item.file || item.category) return;
  const { state, ...known } = verdict(item.file);
  change(item, state === "refused" ? { state, ...known } : known);
}

/** A key that no other file has: two files may have one name. @param {string} name @param {Set<string>} taken */
function freeKey(name, taken) {
  const dot = name.lastIndexOf(".");
  const [stem, extension] = dot > 0 && name.length - dot < 20 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  let key = name.normalize();
  for (let n = 2; taken.has(key); n++) {
    const end = ` (${n})${extension}`;
    key = (stem.slice(0, MAX_KEY - end.length).replace(/[\ud800-\udbff]$/, "") + end).normalize();
  }
  taken.add(key);
  return key;
}

/** @param {Item} item */
export function addItem(item) {
  addRow(item, {
    pause: () => pause(item),
    resume: () => goOn(item),
    retry: () => retry([item]),
    startOver: () => startOver(item),
    cancel: () => cancel(item),
    remove: () => remove(item),
    category: (value) => change(item, { category: value }),
  });
  return item;
}
