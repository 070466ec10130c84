// @ts-check
/** One file's row in the list. */

import { isReadable, previewOf } from "./finished.js";
import { categories, titleOf } from "./policy.js";
import { explain, helps } from "./reasons.js";
import { bytes, percent, statusOf } from "./words.js";

/**
 * @typedef {import("./list.js").Item} Item
 * @typedef {{ pause: () => void, resume: () => void, retry: () => void, startOver: () => void, cancel: () => void,
 *   remove: () => void, category: (value: string) => void }} Actions
 */

const MAX_BRICKS = 60; // more parts than that are one bar
const UNSETTLED = new Set(["ready", "refused"]); // the category may still change
const BUTTONS = /** @type {const} */ ({
  pause: "pause", resume: "resume", retry: "retry", "start-over": "startOver", cancel: "cancel", remove: "remove",
});

/** @param {string} id @returns {HTMLElement} */
export function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

export class Row {
  /**
   * @param {string} name
   * @param {Actions} actions
   */
  constructor(name, actions) {
    const template = /** @type {HTMLTemplateElement} */ (element("row"));
    const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.node = /** @type {HTMLElement} */ (fragment.querySelector("li"));
    this.find(".name").textContent = name;
    this.find(".name").title = name;
    this.find(".bricks").setAttribute("aria-label", `Upload of ${name}`);
    for (const [css, action] of Object.entries(BUTTONS)) {
      const button = this.find(`.${css}`);
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

  /** @param {Item} item */
  show(item) {
    const { state } = item;
    const help = helps(item);
    this.node.dataset.state = state;
    const isHopeless = state === "refused" && !help.retry && !help.category; // no category takes it
    this.node.dataset.category = isHopeless || !item.category ? "none" : item.category;
    this.find(".size").textContent = bytes(item.size);
    const select = /** @type {HTMLSelectElement} */ (this.find(".category"));
    if (!select.length) select.replaceChildren(...categories().map((one) => new Option(titleOf(one.name), one.name)));
    select.value = item.category;
    select.disabled = !UNSETTLED.has(state) || !help.category;
    this.#offer({
      pause: ["queued", "uploading", "waiting"].includes(state),
      resume: ["paused", "pausing", "unsure"].includes(state),
      retry: ["failed", "refused"].includes(state) && help.retry,
      "start-over": ["changed", "unsure"].includes(state),
      cancel: ["queued", "uploading", "pausing", "waiting", "paused", "interrupted", "changed", "unsure", "failed"].includes(state),
      remove: ["ready", "refused", "completed"].includes(state),
    });
    this.#showBricks(item);
    if (state === "completed") this.#showFinished(item);
    const status = this.find(".status");
    const text = explain(item) || [item.note, statusOf(item)].filter(Boolean).join(" ");
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

  /** Once: a link if it can be read, and a small picture. @param {Item} item */
  async #showFinished({ fileUrl, file, name }) {
    const known = this.node.dataset;
    if (fileUrl && !known.link) {
      known.link = "asked";
      if (await isReadable(fileUrl)) {
        const link = Object.assign(document.createElement("a"), { href: fileUrl, textContent: name, target: "_blank", rel: "noopener" });
        this.find(".name").replaceChildren(link);
      }
    }
    if (file && !known.preview) {
      known.preview = "asked";
      const picture = await previewOf(file);
      picture?.setAttribute("aria-hidden", "true");
      if (picture) this.find(".swatch").replaceWith(Object.assign(picture, { className: "preview" }));
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
      brick.classList.toggle("kept", bricks > 1 && item.kept.has(i + 1));
    });
  }
}
