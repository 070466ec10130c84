// @ts-check
/** The list of files: what is in it, and how it is shown. */

import { Row, element } from "./row.js";
import { bytes, duration, explain, percent, plural } from "./words.js";

/**
 * @typedef {import("./memory.js").Remembered} Remembered
 * @typedef {"ready" | "registering" | "refused" | "queued" | "uploading" | "waiting" | "completing" | "completed"
 *   | "paused" | "interrupted" | "elsewhere" | "failed"} State
 * @typedef {Remembered & { state: State, file?: File, error?: Error, note?: string, sentBytes: number,
 *   partSizeBytes: number, sentByPart: number[], kept: Set<number>, stop?: AbortController, sessionId?: string,
 *   isRenewed?: boolean }} Item
 *   `kept`: the parts that were there before this page sent any.
 */

const ACTIVE = new Set(["registering", "queued", "uploading", "waiting", "completing"]);

/** @type {Map<Item, Row>} */
const rows = new Map();
export const items = () => [...rows.keys()];
/** @param {...State} states */
export const inState = (...states) => items().filter((item) => states.includes(item.state));
/** @param {Item} item */
export const isActive = (item) => ACTIVE.has(item.state);

/** @param {Item} item @param {import("./row.js").Actions} actions */
export function addRow(item, actions) {
  const row = new Row(item.name, actions);
  rows.set(item, row);
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
  refresh();
  if (hadFocus) (next ?? element("input")).focus();
}

/** @param {Item} item @param {Partial<Item>} changes */
export function change(item, changes) {
  Object.assign(item, changes);
  dirty.add(item);
  if (dirty.size === 1) requestAnimationFrame(refresh);
}

/** @type {Set<Item>} */
const dirty = new Set();
/** @type {{ at: number, bytes: number }[]} */
let samples = [];

export function refresh() {
  for (const item of dirty) rows.get(item)?.show(item, explain(item.error));
  dirty.clear();
  const all = items();
  const ready = inState("ready").length;
  const active = all.filter(isActive);
  const interrupted = inState("interrupted");
  show("files", all.length);
  show("start", ready);
  element("start").textContent = `Upload ${plural(ready, "file")}`;
  show("pause-all", active.length > 1);
  show("resume-all", inState("paused").length > 1);
  show("cancel-all", all.filter((item) => isActive(item) || ["paused", "interrupted", "failed"].includes(item.state)).length > 1);
  show("clear", inState("completed").length && !active.length);
  show("interrupted", interrupted.length);
  element("interrupted-text").textContent =
    `${interrupted.length === 1 ? interrupted[0].name + " was" : interrupted.length + " uploads were"} interrupted. ` +
    `Choose ${interrupted.length === 1 ? "it" : "them"} again: only what is missing is sent.`;
  showTotal(all.filter((item) => !["ready", "refused"].includes(item.state)), active);
}

/** @param {Item[]} counted @param {Item[]} active */
function showTotal(counted, active) {
  const sent = counted.reduce((sum, item) => sum + item.sentBytes, 0);
  const size = counted.reduce((sum, item) => sum + item.size, 0);
  const done = counted.filter((item) => item.state === "completed").length;
  show("total", counted.length);
  /** @type {HTMLProgressElement} */ (element("total")).value = percent(sent, size);
  const speed = active.length ? speedOf(sent) : ((samples = []), 0);
  element("summary").textContent = !counted.length ? "Check the categories, then start." : [
    `${done} of ${plural(counted.length, "file")} done`,
    `${bytes(sent)} of ${bytes(size)}`,
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
