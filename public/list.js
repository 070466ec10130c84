// @ts-check
/** The list of files: what is in it, and how it is shown. */

import { Row, element } from "./row.js";
import { bytes, duration, nameIn, names, percent, plural } from "./words.js";

/**
 * @typedef {import("./memory.js").Remembered} Remembered
 * @typedef {"ready" | "registering" | "refused" | "queued" | "uploading" | "pausing" | "waiting" | "completing"
 *   | "completed" | "paused" | "interrupted" | "elsewhere" | "changed" | "unsure" | "failed" | "cancelling"} State
 * @typedef {Remembered & { state: State, file?: File, other?: File, error?: Error, note?: string, sentBytes: number,
 *   partSizeBytes: number, sentByPart: number[], kept: Set<number>, stop?: AbortController, pause?: AbortController,
 *   goesOn?: boolean, isHeld?: boolean, isRegistered?: boolean, isToCancel?: boolean, release?: () => void,
 *   renewals?: number, fileUrl?: string }} Item
 *   `kept`: the parts that were there before this page sent any. `other`: a file that may be another one. `goesOn`:
 *   resumed while it was pausing. `isHeld`: paused while it was registered. `isToCancel`: once somebody
 *   has signed in. `release`: gives the file back to other tabs.
 */

const MANY = 200; // rows
const ACTIVE = new Set(["registering", "queued", "uploading", "pausing", "waiting", "completing"]);
const STARTED = new Set(["paused", "interrupted", "changed", "unsure", "failed"]);

/** @type {Map<Item, Row>} */
const rows = new Map();
export const items = () => [...rows.keys()];
/** @param {...State} states */
export const inState = (...states) => items().filter((item) => states.includes(item.state));
/** Files of a folder of thousands are looked up one by one. @param {string} name */
export const withName = (name) => [...(byName.get(name) ?? [])];
/** @type {Map<string, Set<Item>>} */
const byName = new Map();
/** @param {Item} item */
export const isActive = (item) => ACTIVE.has(item.state);

/** Whether people have cancelled it, or taken it off the list, while something of it was under way. @param {Item} item */
export const isGone = (item) => item.state === "cancelling" || !rows.has(item);

/** What `cancel all` is about. */
export const unfinished = () => items().filter((item) => isActive(item) || STARTED.has(item.state));

/** @param {Item} item @param {import("./row.js").Actions} actions */
export function addRow(item, actions) {
  const row = new Row(item.name, actions);
  rows.set(item, row);
  byName.set(item.name, (byName.get(item.name) ?? new Set()).add(item));
  element("list").append(row.node);
  change(item, {});
}

/** Take a file off the list; the focus goes to its neighbour. @param {Item} item */
export function removeRow(item) {
  const row = rows.get(item);
  const hadFocus = row?.node.contains(document.activeElement);
  const next = /** @type {HTMLElement | null} */ (row?.node.nextElementSibling ?? row?.node.previousElementSibling ?? null);
  row?.node.remove();
  rows.delete(item);
  byName.get(item.name)?.delete(item);
  refresh();
  if (hadFocus) (next ?? element("input")).focus();
}

/** @param {Item} item @param {Partial<Item>} changes */
export function change(item, changes) {
  Object.assign(item, changes);
  dirty.add(item);
  if (dirty.size > 1) return;
  // Nothing is painted in a hidden tab, but its title is read; and to lay out thousands of rows takes a while.
  if (document.hidden || rows.size > MANY) setTimeout(refresh, 250);
  else requestAnimationFrame(refresh);
}

/** @type {Set<Item>} */
const dirty = new Set();
/** @type {{ at: number, bytes: number }[]} */
let samples = [];

export function refresh() {
  for (const item of dirty) rows.get(item)?.show(item);
  dirty.clear();
  const all = items();
  const ready = inState("ready").length;
  const refused = inState("refused").length;
  const active = all.filter(isActive);
  const failed = inState("failed").length;
  document.body.classList.toggle("has-files", all.length > 0);
  show("files", all.length);
  show("start", ready);
  element("start").textContent = `Upload ${plural(ready, "file")}`;
  show("pause-all", active.length > 1);
  show("resume-all", inState("paused").length > 1);
  show("retry-all", failed > 1);
  show("cancel-all", unfinished().length > 1);
  show("clear", inState("completed").length && !active.length);
  show("clear-refused", refused);
  element("clear-refused").textContent = `Remove ${refused} refused`;
  showInterrupted(inState("interrupted"));
  showTotal(all.filter((item) => !["ready", "refused"].includes(item.state)), active, refused, failed);
}

/** @param {Item[]} interrupted */
function showInterrupted(interrupted) {
  const [one] = interrupted;
  show("interrupted", one);
  element("interrupted-text").textContent = interrupted.length === 1
    ? `${nameIn(one)} was interrupted. Choose it again: only what is missing is sent.`
    : `${interrupted.length} uploads were interrupted. Choose them again: only what is missing is sent.`;
}

/** @param {Item[]} counted @param {Item[]} active @param {number} refused @param {number} failed */
function showTotal(counted, active, refused, failed) {
  const sent = counted.reduce((sum, item) => sum + item.sentBytes, 0);
  const size = counted.reduce((sum, item) => sum + item.size, 0);
  const done = counted.filter((item) => item.state === "completed").length;
  show("total", counted.length);
  /** @type {HTMLProgressElement} */ (element("total")).value = percent(sent, size);
  const isMoving = navigator.onLine && active.some((item) => item.state === "uploading" || item.state === "pausing");
  const speed = isMoving ? speedOf(sent) : ((samples = []), 0);
  element("summary").textContent = [
    counted.length ? `${done} of ${plural(counted.length, "file")} done` : inState("ready").length && "Check the categories, then start.",
    counted.length > 0 && `${bytes(sent)} of ${bytes(size)}`,
    failed > 0 && `${failed} failed`,
    refused > 0 && `${refused} refused`,
    speed > 0 && `${bytes(speed)}/s`,
    speed > 0 && sent < size && `${duration((size - sent) / speed)}\u00a0left`,
  ].filter(Boolean).join(" · ");
  document.title = active.length ? `${percent(sent, size)}% · Uploads` : "Uploads";
}

/** Bytes a second, over the last five. @param {number} sent */
function speedOf(sent) {
  const now = performance.now();
  if (now - (samples.at(-1)?.at ?? -Infinity) > 250) samples.push({ at: now, bytes: sent });
  samples = samples.filter((sample) => now - sample.at < 5000);
  const [first] = samples;
  return first && now - first.at > 500 ? Math.max(0, (sent - first.bytes) / ((now - first.at) / 1000)) : 0;
}

/** @param {string} id @param {unknown} visible */
export function show(id, visible) {
  element(id).hidden = !visible;
}

/** Tell it to a screen reader. @param {unknown[]} sentences */
export function say(sentences) {
  element("live").textContent = sentences.filter(Boolean).join(" ");
}

const GATHER_MS = 300; // what happens to several files at once is one sentence,
const PAUSE_MS = 5000; // and there is time to listen to it
/** @type {Map<string, { some: Item[], sentence: (some: Item[]) => string }>} */
const unsaid = new Map();
let saidAt = -Infinity;

/** Tell what has become of a file, together with the others that the same happens to.
 * @param {Item} item @param {string} what for one and for many: "is paused|are paused", or what follows a colon */
export function sayOf(item, what) {
  const [one, many] = what.split("|");
  const sentence = (/** @type {Item[]} */ some) =>
    many ? `${names(some)} ${some.length > 1 ? many : one}.` : `${names(some)}: ${one}`;
  if (!unsaid.size) setTimeout(sayGathered, Math.max(GATHER_MS, saidAt + PAUSE_MS - performance.now()));
  const known = unsaid.get(what);
  if (known) known.some.push(item);
  else unsaid.set(what, { some: [item], sentence });
}

function sayGathered() {
  say([...unsaid.values()].map(({ some, sentence }) => sentence(some)));
  unsaid.clear();
  saidAt = performance.now();
}
