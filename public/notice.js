// @ts-check
/** One sentence where everybody sees it, for what concerns more than one file. */

import { say, show } from "./list.js";
import { element } from "./row.js";

/** @type {(() => void) | undefined} */
let act;

/** @param {string} text @param {{ label: string, act: () => void }} [action] */
export function notify(text, action) {
  element("notice-text").textContent = text;
  element("notice-act").textContent = action?.label ?? "";
  act = action?.act;
  show("notice-act", action);
  show("notice", true);
  say([text]);
}

export function dismiss() {
  show("notice", false);
}

export function listenForNotice() {
  element("notice-close").addEventListener("click", () => {
    dismiss();
    element("input").focus();
  });
  element("notice-act").addEventListener("click", () => act?.());
}
