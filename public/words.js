// @ts-check
/** How sizes, times and states are written. */

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

/** The first few, and how many more. @param {{ name: string }[]} some */
export function names(some) {
  const first = some.slice(0, 3).map(({ name }) => name).join(", ");
  return some.length > 3 ? `${first} and ${some.length - 3} more` : first;
}

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
    case "pausing": return `${progress} · pausing: what is on its way arrives first`;
    case "waiting": return navigator.onLine ? "No answer: trying again …" : `Offline at ${progress}: goes on when the network is back`;
    case "completing": return "Assembling …";
    case "completed": return "Done" + resumed;
    case "paused": return `Paused at ${progress}`;
    case "interrupted":
      return `Interrupted${sentByPart.length ? ` at ${percent(item.sentBytes, item.size)}%` : ""}: choose the file again to go on`;
    case "elsewhere": return "Being uploaded in another tab" + (item.sentBytes ? ` · ${progress}` : "");
    case "changed": return "This is another file than the one that was interrupted. Choose that one, or start over with this one.";
    case "unsure": return "Is this the same file as before? If so, resume. If not, start over with it.";
    default: return "";
  }
}
