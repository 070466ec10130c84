// @ts-check
/** One file's row in the list, and how sizes are written. */

/** @typedef {import("./page.js").Item} Item */

const MAX_BRICKS = 60; // more parts than that are one bar
const UNSETTLED = new Set(["ready", "refused"]); // the category may still change

/** @param {string} id @returns {HTMLElement} */
export function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {number} count @returns {string} in decimal units, as file managers show them */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let n = count, unit = 0;
  for (; n >= 999.5 && unit < units.length - 1; unit++) n /= 1000;
  return `${n < 10 && unit > 1 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

/** @param {number} part @param {number} whole */
export function percent(part, whole) {
  return whole ? Math.floor((100 * part) / whole) : 0;
}

/** @param {number} count @param {string} word */
export function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

export class Row {
  /**
   * @param {string} name
   * @param {{ pause: () => void, resume: () => void, retry: () => void, cancel: () => void, remove: () => void,
   *   category: (value: string) => void }} actions
   */
  constructor(name, actions) {
    const template = /** @type {HTMLTemplateElement} */ (element("row"));
    const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.node = /** @type {HTMLElement} */ (fragment.querySelector("li"));
    this.find(".name").textContent = name;
    this.find(".name").title = name;
    this.find(".bricks").setAttribute("aria-label", `Upload of ${name}`);
    for (const action of /** @type {const} */ (["pause", "resume", "retry", "cancel", "remove"])) {
      const button = this.find(`.${action}`);
      button.setAttribute("aria-label", `${button.textContent} ${name}`);
      button.addEventListener("click", actions[action]);
    }
    const select = /** @type {HTMLSelectElement} */ (this.find(".category"));
    select.setAttribute("aria-label", `Category of ${name}`);
    select.addEventListener("change", () => actions.category(select.value));
  }

  /** @param {string} selector @returns {HTMLElement} */
  find(selector) {
    return /** @type {HTMLElement} */ (this.node.querySelector(selector));
  }

  /** @param {Item} item @param {string} problem */
  show(item, problem) {
    const { state } = item;
    this.node.dataset.state = state;
    this.node.dataset.category = item.category;
    this.find(".size").textContent = bytes(item.size);
    const select = /** @type {HTMLSelectElement} */ (this.find(".category"));
    select.value = item.category;
    select.disabled = !UNSETTLED.has(state);
    this.#offer({
      pause: ["queued", "uploading", "waiting"].includes(state),
      resume: state === "paused",
      retry: state === "failed" || state === "refused",
      cancel: ["queued", "uploading", "waiting", "paused", "interrupted", "failed"].includes(state),
      remove: ["ready", "refused", "completed"].includes(state),
    });
    this.#showBricks(item);
    const status = this.find(".status");
    const text = problem || item.note || statusOf(item);
    if (status.textContent !== text) status.textContent = text;
  }

  /** @param {Record<string, boolean>} offers */
  #offer(offers) {
    const focused = this.node.contains(document.activeElement) ? document.activeElement : null;
    for (const [name, isOffered] of Object.entries(offers)) this.find(`.${name}`).hidden = !isOffered;
    // A button that goes must not take the focus with it.
    if (focused instanceof HTMLButtonElement && focused.hidden) {
      (/** @type {HTMLElement | null} */ (this.node.querySelector("button:not([hidden])")) ?? this.node).focus();
    }
  }

  /** @param {Item} item */
  #showBricks(item) {
    const bar = this.find(".bricks");
    const done = item.state === "completed" ? 100 : percent(item.sentBytes, item.size);
    bar.hidden = UNSETTLED.has(item.state);
    bar.setAttribute("aria-valuenow", String(done));
    bar.setAttribute("aria-valuetext", `${done}%, ${statusOf(item)}`);
    const count = item.sentByPart.length;
    const bricks = count > 0 && count <= MAX_BRICKS ? count : 1;
    if (bar.childElementCount !== bricks) {
      bar.replaceChildren(...Array.from({ length: bricks }, () => document.createElement("span")));
    }
    [...bar.children].forEach((brick, i) => {
      const size = bricks === 1 ? item.size : Math.min(item.partSizeBytes, item.size - i * item.partSizeBytes);
      const sent = item.state === "completed" ? size : bricks === 1 ? item.sentBytes : item.sentByPart[i];
      /** @type {HTMLElement} */ (brick).style.setProperty("--sent", `${Math.min(100, (100 * sent) / size)}%`);
      brick.classList.toggle("whole", sent >= size);
    });
  }
}

/** @param {Item} item */
function statusOf(item) {
  const { state, sentByPart, kept } = item;
  const progress = `${bytes(item.sentBytes)} of ${bytes(item.size)}`;
  const resumed = kept ? ` · ${kept} of ${plural(sentByPart.length, "part")} were there already` : "";
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
