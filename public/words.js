// @ts-check
/** How sizes, times, states and refusals are written. */

import { UploadError } from "./upload-client.js";

/** @typedef {import("./list.js").Item} Item */

/** @param {number} count @returns {string} in decimal units, as file managers show them */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let n = count, unit = 0;
  for (; n >= 999.5 && unit < units.length - 1; unit++) n /= 1000;
  return `${n < 10 && unit > 1 ? n.toFixed(1) : Math.round(n)}\u00a0${units[unit]}`;
}

/** @param {number} part @param {number} whole */
export function percent(part, whole) {
  return whole ? Math.floor((100 * part) / whole) : 0;
}

/** @param {number} count @param {string} word */
export function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))}\u00a0s`;
  return seconds < 3600 ? `${Math.round(seconds / 60)}\u00a0min` : `${(seconds / 3600).toFixed(1)}\u00a0h`;
}

/** A refusal in words, with the numbers that the API gives. @param {Error} [error] */
export function explain(error) {
  if (!(error instanceof UploadError)) return error?.message ?? "";
  const { details } = error;
  switch (error.reason) {
    case "FILE_TOO_LARGE":
      return `Too large: ${bytes(details.sizeBytes)}, and ${wordFor(details.category)} may have at most ${bytes(details.maxSizeBytes)}.`;
    case "MIME_TYPE_NOT_ALLOWED":
      return `Not accepted as ${wordFor(details.category)}: ${details.type}. Choose another category, or another file.`;
    case "CATEGORY_LIMIT_EXCEEDED":
      return `There may be at most ${details.maxFiles} of this category: choose another, or remove a file.`;
    default:
      return error.message;
  }
}

/** @param {string | null} category */
function wordFor(category) {
  const words = { instruction: "an instruction", "parts-list": "a parts list", image: "an image", thumbnail: "a thumbnail" };
  return words[/** @type {keyof typeof words} */ (category)] ?? "any category";
}

/** @param {Item[]} some */
export const names = (some) => some.map((item) => item.name).join(", ");

/** @param {Item} item */
export function statusOf(item) {
  const { state, sentByPart, kept } = item;
  const progress = `${bytes(item.sentBytes)} of ${bytes(item.size)}`;
  const resumed = kept.size ? ` · ${kept.size} of ${plural(sentByPart.length, "part")} were there already` : "";
  switch (state) {
    case "ready": return "";
    case "registering": return "Registering …";
    case "queued": return "Next";
    case "uploading": return progress + resumed;
    case "waiting": return navigator.onLine ? "No answer: trying again …" : `Offline at ${progress}: goes on when the network is back`;
    case "completing": return "Assembling …";
    case "completed": return "Done" + resumed;
    case "paused": return `Paused at ${progress}`;
    case "interrupted": return `Interrupted at ${percent(item.sentBytes, item.size)}%: choose the file again to go on`;
    case "elsewhere": return "Being uploaded in another tab";
    default: return "";
  }
}
