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

/** Two sizes of which one is larger, so that it shows. @param {number} one @param {number} other */
export function apart(one, other) {
  const both = [one, other].map(bytes);
  return both[0] === both[1] ? [one, other].map((count) => `${count.toLocaleString("en-GB")}\u00a0bytes`) : both;
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

const RIGHT_TO_LEFT = /[\u0590-\u08ff\u200f\u202a-\u202e\ufb1d-\ufdff\ufe70-\ufefc]/;

/** A name inside of a sentence, which keeps its own direction to itself. @param {{ name: string }} file */
export const nameIn = ({ name }) => (RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name);

/** The first few, and how many more. @param {{ name: string }[]} some */
export function names(some) {
  const first = some.slice(0, 3).map(nameIn).join(", ");
  return some.length > 3 ? `${first} and ${some.length - 3} more` : first;
}

/** @param {Item} item */
export function statusOf(item) {
  const { state, sentByPart, kept } = item;
  const progress = `${bytes(item.sentBytes)} of ${bytes(item.size)}`;
  const resumed = kept.size ? ` · ${kept.size} of ${plural(sentByPart.length, "part")} were there already` : "";
  switch (state) {
    case "ready": return "";
    case "registering": return navigator.onLine ? `Registering …${item.isHeld ? " It is paused then." : ""}` : "Offline: goes on when the network is back";
    case "queued": return "Next";
    case "uploading":
      return item.sentBytes < item.size ? progress + resumed : `All ${bytes(item.size)} are sent: waiting until the store has them`;
    case "pausing": return progress + (item.goesOn ? " · goes on when what is on its way has arrived" : " · pausing: what is on its way arrives first");
    case "waiting": return navigator.onLine ? "No answer: trying again …" : `Offline at ${progress}: goes on when the network is back`;
    case "completing": return "Assembling …";
    case "cancelling": return navigator.onLine ? "Cancelling …" : "Offline: it is cancelled when the network is back";
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
