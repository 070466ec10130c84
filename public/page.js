// @ts-check
/** The upload page: what people do on it, and what follows. */

import { inState, isActive, items, refresh, say } from "./list.js";
import { onChangeElsewhere } from "./memory.js";
import { element } from "./row.js";
import { listenForToken } from "./sign-in.js";
import { arrive, arriveAgain, begin, cancelAll, choose, pause, remove, restore, run } from "./uploads.js";

function listen() {
  const input = /** @type {HTMLInputElement} */ (element("input"));
  input.addEventListener("change", () => {
    choose([...(input.files ?? [])]);
    input.value = ""; // so that the same file can be chosen again
  });
  element("choose-again").addEventListener("click", () => input.click());
  element("start").addEventListener("click", () => {
    element("files-title").focus(); // the button goes
    begin(inState("ready"));
  });
  element("pause-all").addEventListener("click", () => items().forEach(pause));
  element("resume-all").addEventListener("click", () => inState("paused").forEach((item) => run(item)));
  element("cancel-all").addEventListener("click", askThenCancelAll);
  element("clear").addEventListener("click", () => {
    inState("completed").forEach(remove);
    element("input").focus();
  });
  listenForToken(arriveAgain);
  onChangeElsewhere(restore);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && restore());
  addEventListener("offline", () => items().some(isActive) && say(["Offline. It goes on when the network is back."]));
  listenForDrops();
}

async function askThenCancelAll() {
  const dialog = /** @type {HTMLDialogElement} */ (element("confirm"));
  dialog.returnValue = "keep";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  if (dialog.returnValue !== "cancel") return;
  await cancelAll();
  element("input").focus();
}

function listenForDrops() {
  let depth = 0; // entering a child comes before leaving its parent
  /** @param {number} by */
  const move = (by) => document.body.classList.toggle("dropping", (depth = Math.max(0, depth + by)) > 0);
  addEventListener("dragenter", () => move(1));
  addEventListener("dragleave", () => move(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    move(-depth);
    choose([...(event.dataTransfer?.files ?? [])]);
  });
}

listen();
setInterval(() => items().some(isActive) && refresh(), 1000);
arrive();
