// @ts-check
/** What storage, the API and other tabs know of earlier uploads. */

import { SESSION_OVER, UploadError } from "./upload-client.js";
import { cancelAgain } from "./cancelling.js";
import { addItem, judge } from "./choosing.js";
import { change, inState, items } from "./list.js";
import { store, stored } from "./memory.js";
import { dismiss, notify } from "./notice.js";
import { isKnown, loadPolicy } from "./policy.js";
import { explainAlone } from "./reasons.js";
import { askForToken, token } from "./sign-in.js";
import { heldFiles, onBeat } from "./tabs.js";
import { client, completed, finish, learnBeforeStart, nothingSent, remove, retry, run, takeOff, waitForOther } from "./uploads.js";
import { names } from "./words.js";

/**
 * @typedef {import("./list.js").Item} Item
 * @typedef {import("./memory.js").Remembered} Remembered
 * @typedef {import("./upload-client.js").SessionDetail} SessionDetail
 */

const NOBODY = "00000000-0000-0000-0000-000000000000";
const PATIENCE_MS = 4000; // a service that does not answer in so long is worth a sentence
const AGAIN_MS = 15_000;
const TOGETHER_MS = 1000; // other tabs' changes in so long are looked at together

/** @type {Promise<void> | null} */
let restoring = null;
let isDue = false;

/** Show earlier uploads; also when another tab has changed them. One time at once, and once more if asked meanwhile. */
export async function restore() {
  isDue = true;
  restoring ??= (async () => {
    while (isDue) {
      isDue = false;
      await restoreOnce();
      if (isDue) await new Promise((done) => setTimeout(done, TOGETHER_MS));
    }
  })().finally(() => (restoring = null));
  return restoring;
}

async function restoreOnce() {
  const { files } = stored();
  const remembered = new Set(files.map((file) => file.fileId));
  inState("interrupted", "elsewhere").filter((item) => !remembered.has(item.fileId)).forEach(takeOff);
  const isHeld = await heldFiles();
  const shown = files.map((file) => showFile(file, isHeld(file.fileId))).filter((item) => item !== null);
  const ours = shown.filter((item) => item.state === "interrupted"); // another tab's own tells of itself
  const sessions = [...new Set(ours.map((item) => item.sessionId ?? ""))].filter(Boolean);
  await Promise.all(sessions.map((sessionId) => restoreSession(sessionId, ours.filter((item) => item.sessionId === sessionId))));
}

/** At once, whatever the API says later. @param {Remembered} file @param {boolean} isHeld @returns {Item | null} */
function showFile(file, isHeld) {
  const known = items().find((item) => item.fileId === file.fileId);
  if (known && !["interrupted", "elsewhere"].includes(known.state)) return null;
  const item = known ?? addItem({ ...file, state: isHeld ? "elsewhere" : "interrupted", ...nothingSent() });
  if (isHeld && (!known || known.state === "interrupted")) waitForOther(item);
  return item;
}

/** @param {string} sessionId @param {Item[]} some */
async function restoreSession(sessionId, some) {
  const slow = setTimeout(() => complain("The upload service does not answer yet. Your uploads are not lost."), PATIENCE_MS);
  try {
    const detail = await client.getSession(sessionId);
    clearTimeout(slow);
    if (isTroubled) dismiss();
    isTroubled = false;
    const summaries = new Map(detail.files.map((summary) => [summary.fileId, summary]));
    const lost = some.filter((item) => detail.status !== "active" && summaries.get(item.fileId)?.status !== "completed");
    over(sessionId, lost);
    await Promise.all(some.filter((item) => !lost.includes(item)).map((item) => restoreFile(item, summaries.get(item.fileId), detail)));
  } catch (error) {
    if (!(error instanceof UploadError)) throw error;
    if (error.status === 401) return askForToken(explainAlone(error));
    if (SESSION_OVER.has(error.reason)) return over(sessionId, some);
    if (error.isOver) return void (isDue = true); // one of its files was cancelled meanwhile: look again
    complain(explainAlone(error));
    clearTimeout(again);
    again = setTimeout(restore, AGAIN_MS);
  } finally {
    clearTimeout(slow);
  }
}

let isTroubled = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let again;

/** @param {string} text */
function complain(text) {
  isTroubled = true;
  notify(text, { label: "Try again", act: restore });
}

/** @param {Item} item @param {import("./upload-client.js").FileSummary | undefined} summary @param {SessionDetail} session */
async function restoreFile(item, summary, session) {
  if (!["interrupted", "elsewhere"].includes(item.state)) return;
  if (summary?.status === "completed") {
    const sentByPart = Array(summary.partCount).fill(session.partSizeBytes);
    const { fileUrl } = summary;
    return change(item, { state: "completed", sentBytes: item.size, partSizeBytes: session.partSizeBytes, sentByPart, fileUrl });
  }
  if (item.state === "elsewhere") return;
  if (summary) {
    const { partCount, partSizeBytes, missingPartNumbers } = await client.getParts(session.sessionId, item.fileId);
    const missing = new Set(missingPartNumbers);
    const sentByPart = Array.from({ length: partCount }, (_, i) =>
      missing.has(i + 1) ? 0 : Math.min(partSizeBytes, item.size - i * partSizeBytes));
    const sentBytes = sentByPart.reduce((sum, sent) => sum + sent, 0);
    if (item.state === "interrupted") change(item, { sentBytes, partSizeBytes, sentByPart });
    if (item.state === "interrupted" && !missing.size && summary.status === "pending") return finish(item);
  }
  if (item.file && item.state === "interrupted") run(item);
}

/** A session is over: what was unfinished in it has to start over. @param {string} sessionId @param {Item[]} lost */
function over(sessionId, lost) {
  store((state) => {
    const isLast = state.session?.sessionId === sessionId;
    if (isLast && (lost.length || !state.files.length)) state.session = null;
  });
  if (!lost.length) return;
  lost.forEach(remove);
  notify(`The last upload session is over. Choose again what was not finished: ${names(lost)}.`);
}

/** Find out whether somebody has to sign in, and what there is to go on with. @param {() => void} onPolicy */
export async function arrive(onPolicy) {
  learnBeforeStart(() => learn(onPolicy));
  addEventListener("online", () => isKnown() || learn(onPolicy));
  await learn(onPolicy);
  if (token() || stored().files.length) await restore();
}

/** @type {Promise<void> | null} */
let learning = null;

/** What may be uploaded, and whether that takes a token; one question at once. @param {() => void} onPolicy */
function learn(onPolicy) {
  learning ??= learnOnce(onPolicy).finally(() => (learning = null));
  return learning;
}

/** Whether a notice says that nothing is known of it. */
let isSaidUnknown = false;

/** @param {() => void} onPolicy */
async function learnOnce(onPolicy) {
  const tell = () => {
    isSaidUnknown = true;
    notify("What may be uploaded could not be loaded: the upload service does not answer.", { label: "Try again", act: () => learn(onPolicy) });
  };
  const slow = setTimeout(tell, PATIENCE_MS);
  try {
    const { isTokenNeeded } = await loadPolicy();
    clearTimeout(slow);
    if (isSaidUnknown) dismiss();
    isSaidUnknown = false;
    inState("ready", "registering").forEach(judge);
    onPolicy();
    if (isTokenNeeded && !token()) askForToken("This service needs an access token.");
  } catch {
    clearTimeout(slow);
    tell();
  }
}

/** Signed in: is the token good? Then go on with what had failed for it. */
export async function arriveAgain() {
  try {
    await client.getSession(stored().session?.sessionId ?? NOBODY);
  } catch (error) {
    if (error instanceof UploadError && error.status === 401) return askForToken(explainAlone(error));
  }
  await cancelAgain();
  await restore();
  const failed = inState("failed").filter((item) => item.error instanceof UploadError && item.error.status === 401);
  if (failed.length) retry(failed);
}

/** Other tabs say how far their files are. */
export function listenForBeats() {
  onBeat(({ fileId, state, sentBytes, partSizeBytes, sentByPart, fileUrl }) => {
    const item = items().find((one) => one.fileId === fileId && ["interrupted", "elsewhere"].includes(one.state));
    if (!item) return;
    if (state === "completed") return change(item, { state, sentBytes, partSizeBytes, sentByPart, fileUrl });
    if (item.state === "interrupted") waitForOther(item);
    change(item, { sentBytes, partSizeBytes, sentByPart });
  });
}
