// @ts-check
/** The upload page: what people do on it, and what follows. */

import { askBeforeCancelling, cancelAll } from "./cancelling.js";
import { change, inState, isActive, items, refresh, say, unfinished } from "./list.js";
import { choose } from "./choosing.js";
import { filesOf, withoutHidden } from "./folders.js";
import { onChangeElsewhere, remember, stored } from "./memory.js";
import { listenForNotice, notify } from "./notice.js";
import { acceptOf, accepted } from "./policy.js";
import { arrive, arriveAgain, listenForBeats, restore } from "./restoring.js";
import { element } from "./row.js";
import { listenForToken } from "./sign-in.js";
import { beat } from "./tabs.js";
import { listenForReleases, pause, remove, resume, retry, start } from "./uploads.js";
import { bytes, nameIn, names } from "./words.js";

/** @typedef {import("./list.js").Item} Item */

const MUCH_BYTES = 50_000_000; // one file's upload is cancelled without a question below that

function listen() {
  const input = inputOf("input"), folder = inputOf("folder");
  for (const one of [input, folder]) {
    one.addEventListener("change", () => {
      const files = [...(one.files ?? [])];
      if (one === folder) chosenFolder(withoutHidden(files));
      else choose(files);
      one.value = ""; // so that the same file can be chosen again
    });
  }
  element("choose-again").addEventListener("click", () => input.click());
  element("start").addEventListener("click", () => {
    element("files-title").focus(); // the button goes
    start(inState("ready"));
  });
  element("pause-all").addEventListener("click", () => items().forEach(pause));
  element("resume-all").addEventListener("click", () => resume(inState("paused")));
  element("retry-all").addEventListener("click", () => retry(inState("failed")));
  element("cancel-all").addEventListener("click", async () => {
    if (!(await ask("Cancel all uploads?", unfinished(), "Cancel all"))) return;
    await cancelAll();
    input.focus();
  });
  for (const [id, state] of /** @type {const} */ ([["clear", "completed"], ["clear-refused", "refused"]])) {
    element(id).addEventListener("click", () => {
      inState(state).forEach(remove);
      input.focus();
    });
  }
  askBeforeCancelling(async ([item]) =>
    item.sentBytes < MUCH_BYTES || ask(`Cancel ${nameIn(item)}?`, [item], "Cancel upload"));
  listenForToken(arriveAgain);
  listenForNotice();
  listenForBeats();
  listenForReleases(restore);
  onChangeElsewhere(changedElsewhere);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && restore());
  if (!Reflect.has(folder, "webkitdirectory")) [folder, ...(folder.labels ?? [])].forEach((one) => (one.hidden = true)); // some phones
  addEventListener("offline", () => items().some(isActive) && say(["Offline. It goes on when the network is back."]));
  for (const event of ["offline", "online"]) addEventListener(event, () => inState("registering", "waiting", "cancelling").forEach((item) => change(item, {})));
  listenForDrops();
}

/** Two tabs that write at the same moment may lose what one of them wrote. */
function changedElsewhere() {
  const known = new Set(stored().files.map((file) => file.fileId));
  const missing = items().filter((item) => item.release && item.sessionId && !known.has(item.fileId) && item.state !== "completed");
  if (missing.length) remember(missing);
  restore();
}

/** @param {File[]} files @param {string[]} [unreadable] */
function chosenFolder(files, unreadable = []) {
  choose(files);
  const unread = unreadable.map((name) => ({ name }));
  if (unread.length) notify(`${names(unread)} cannot be read, and ${unread.length > 1 ? "were" : "was"} left out.`);
  else if (!files.length) notify("There is no file in that folder.");
}

/** @param {string} id */
const inputOf = (id) => /** @type {HTMLInputElement} */ (element(id));

/** @param {string} question @param {Item[]} some @param {string} yes @returns {Promise<boolean>} */
async function ask(question, some, yes) {
  const dialog = /** @type {HTMLDialogElement} */ (element("confirm"));
  const sent = some.reduce((sum, item) => sum + item.sentBytes, 0);
  element("confirm-title").textContent = question;
  element("confirm-text").textContent = `${bytes(sent)} that have been sent are thrown away. Finished files stay.`;
  element("confirm-yes").textContent = yes;
  dialog.returnValue = "keep";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  return dialog.returnValue === "cancel";
}

function showPolicy() {
  element("choose-hint").textContent = accepted();
  inputOf("input").accept = acceptOf();
}

function listenForDrops() {
  let depth = 0; // entering a child comes before leaving its parent
  /** @param {number} by */
  const move = (by) => document.body.classList.toggle("dropping", (depth = Math.max(0, depth + by)) > 0);
  /** Text may be dropped in the field for a token. @param {DragEvent} event */
  const hasFiles = ({ dataTransfer }) => [...(dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => hasFiles(event) && move(1));
  addEventListener("dragleave", (event) => hasFiles(event) && move(-1));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!event.dataTransfer || !hasFiles(event)) return;
    event.preventDefault();
    move(-depth);
    filesOf(event.dataTransfer).then(({ files, unreadable }) => chosenFolder(files, unreadable));
  });
}

listen();
setInterval(() => {
  if (items().some(isActive)) refresh();
  beat(items());
}, 1000);
arrive(showPolicy);
