// @ts-check
/** The field for a bearer token, which is kept for this tab only. */

import { say, show } from "./list.js";
import { element } from "./row.js";

const TOKEN = "upload-token"; // sessionStorage

/** Where the browser blocks storage, the token lives as long as the page. @type {string | null} */
let ownOnly = null;

export function token() {
  try {
    return sessionStorage.getItem(TOKEN) ?? ownOnly;
  } catch {
    return ownOnly;
  }
}

/** Whose token it is, as far as it says. @returns {string | undefined} */
export function user() {
  try {
    return JSON.parse(atob((token() ?? "").split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).sub;
  } catch {
    return undefined; // there is none, or it is no JWT
  }
}

/** @param {string} text */
function keep(text) {
  ownOnly = text;
  try {
    sessionStorage.removeItem(TOKEN); // if there is no room for this one, the last one must not stay
    sessionStorage.setItem(TOKEN, text);
  } catch { /* blocked, or full */ }
}

/** @param {string} problem what the API said */
export function askForToken(problem) {
  const text = token() ? problem : "This service needs an access token.";
  show("sign-in", true);
  show("token-problem", token());
  element("token-problem").textContent = text;
  element("token").focus();
  say([text]);
}

/** @param {() => void} then called when there is a token */
export function listenForToken(then) {
  const input = /** @type {HTMLInputElement} */ (element("token"));
  element("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    keep(input.value.trim().replace(/^bearer\s+/i, ""));
    input.value = "";
    show("sign-in", false);
    element("input").focus();
    then();
  });
}
