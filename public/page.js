// @ts-check
/** The upload page: what is chosen, what goes on, and what is kept to go on after a reload. */

import { UploadClient, UploadError, typeOf } from "./upload-client.js";
import { Row, bytes, element, percent, plural } from "./row.js";

/**
 * @typedef {import("./upload-client.js").Session} Session
 * @typedef {import("./upload-client.js").Upload} Upload
 * @typedef {import("./upload-client.js").FileSummary} FileSummary
 * @typedef {"ready" | "registering" | "refused" | "queued" | "uploading" | "waiting" | "completing" | "completed"
 *   | "paused" | "interrupted" | "elsewhere" | "failed"} State
 * @typedef {{ fileId: string, fileKey: string, name: string, size: number, lastModified: number, type: string,
 *   category: string }} Remembered
 * @typedef {Remembered & { state: State, file?: File, error?: Error, note?: string, sentBytes: number,
 *   partSizeBytes: number, sentByPart: number[], kept: number, stop?: AbortController }} Item
 *   `kept`: how many parts were there before this page sent any.
 */

const STORE = "uploads"; // localStorage: { session, files: Remembered[] }
const TOKEN = "upload-token"; // sessionStorage
const NOBODY = "00000000-0000-0000-0000-000000000000";
const SESSION_OVER = new Set(["SESSION_EXPIRED", "SESSION_NOT_ACTIVE", "SESSION_NOT_FOUND"]);
const UPLOAD_GONE = new Set(["UPLOAD_NOT_FOUND", "FILE_NOT_FOUND"]);
const ACTIVE = new Set(["registering", "queued", "uploading", "waiting", "completing"]);

const client = new UploadClient({ getToken: () => sessionStorage.getItem(TOKEN) });
/** @type {Map<Item, Row>} */
const rows = new Map();
const items = () => [...rows.keys()];
/** @param {...State} states */
const inState = (...states) => items().filter((item) => states.includes(item.state));

// --- What is kept in localStorage, shared by all tabs

/** @returns {{ session: Session | null, files: Remembered[] }} */
function stored() {
  try {
    const { session = null, files = [] } = JSON.parse(localStorage.getItem(STORE) ?? "{}");
    return { session, files };
  } catch {
    return { session: null, files: [] };
  }
}

/** @param {(state: { session: Session | null, files: Remembered[] }) => void} change */
function store(change) {
  const state = stored();
  change(state);
  if (state.session) localStorage.setItem(STORE, JSON.stringify(state));
  else localStorage.removeItem(STORE);
}

/** @param {Item[]} some */
function remember(some) {
  store(({ files }) => {
    for (const { fileId, fileKey, name, size, lastModified, type, category } of some) {
      const known = files.findIndex((file) => file.fileId === fileId);
      files.splice(known < 0 ? files.length : known, 1, { fileId, fileKey, name, size, lastModified, type, category });
    }
  });
}

/** @param {Item[]} some */
function forget(some) {
  const ids = new Set(some.map((item) => item.fileId));
  store((state) => {
    state.files = state.files.filter((file) => !ids.has(file.fileId));
    if (!state.files.length) state.session = null;
  });
}

// --- Choosing

/** @param {Iterable<File>} files */
function choose(files) {
  const added = [], back = [], elsewhere = [], changed = [];
  for (const file of files) {
    const known = items().find((item) => item.name === file.name && item.size === file.size && item.state !== "completed");
    if (!known) {
      added.push(addItem(newItem(file)));
    } else if (known.lastModified !== file.lastModified && known.state === "interrupted") {
      change(known, { note: "This file has changed since: what was sent belongs to the old one. Cancel it, then choose it again." });
      changed.push(known);
    } else {
      known.file = file;
      if (known.state === "interrupted") back.push(known);
      if (known.state === "elsewhere") elsewhere.push(known);
    }
  }
  for (const item of back) run(item);
  say([
    added.length && `${plural(added.length, "file")} added.`,
    back.length && `Going on with ${plural(back.length, "file")}.`,
    elsewhere.length && `${names(elsewhere)}: being uploaded in another tab.`,
    changed.length && `${names(changed)}: changed since.`,
  ]);
  if (!added.length) return;
  refresh(); // the button must be there to take the focus
  element("start").focus();
}

/** @param {File} file @returns {Item} */
function newItem(file) {
  const type = typeOf(file);
  return {
    fileId: crypto.randomUUID(), fileKey: freeKey(file.name), name: file.name, size: file.size,
    lastModified: file.lastModified, type, category: categoryOf(type), file, state: "ready", ...nothingSent(),
  };
}

function nothingSent() {
  return { sentBytes: 0, partSizeBytes: 0, sentByPart: /** @type {number[]} */ ([]), kept: 0 };
}

/** A key that no other file of the list has: two files may have one name. @param {string} name */
function freeKey(name) {
  const taken = new Set(items().map((item) => item.fileKey));
  let key = name;
  for (let n = 2; taken.has(key); n++) key = `${name} (${n})`;
  return key;
}

/** What the API would derive. @param {string} type */
function categoryOf(type) {
  if (type === "application/pdf") return "instruction";
  return type.startsWith("image/") ? "image" : "parts-list";
}

/** @param {Item} item */
function addItem(item) {
  const row = new Row(item.name, {
    pause: () => item.stop?.abort("pause"),
    resume: () => run(item),
    retry: () => retry(item),
    cancel: () => cancel(item),
    remove: () => remove(item),
    category: (value) => change(item, { category: value }),
  });
  rows.set(item, row);
  element("list").append(row.node);
  change(item, {});
  return item;
}

// --- Uploading

/** The stored session, or a new one; the API says when the stored one is over. @returns {Promise<Session>} */
async function openSession() {
  const { session } = stored();
  if (session) return session;
  const created = await client.createSession();
  store((state) => (state.session = created));
  return created;
}

/** Register what was chosen, all at once, and send what was accepted. @param {Item[]} some */
async function begin(some, again = true) {
  some.forEach((item) => change(item, { state: "registering", error: undefined, note: undefined }));
  try {
    const session = await openSession();
    remember(some); // before the answer, which may be lost
    const choices = some.map((item) => ({ ...item, file: /** @type {File} */ (item.file) }));
    const registrations = await client.register(session, choices);
    const refused = some.filter((item, i) => registrations[i].error && refuse(item, registrations[i].error));
    forget(refused);
    some.forEach((item, i) => registrations[i].error || run(item, registrations[i]));
    if (refused.length) say([`${names(refused)} refused: ${explain(refused[0].error)}`]);
  } catch (error) {
    if (again && error instanceof UploadError && SESSION_OVER.has(error.reason)) {
      store((state) => (state.session = null));
      some.forEach((item) => (item.fileId = crypto.randomUUID()));
      return begin(some, false);
    }
    some.forEach((item) => fail(item, error));
  }
}

/** Send what is missing of a registered file, unless another tab does. @param {Item} item @param {Upload} [upload] */
function run(item, upload) {
  return alone(item, async () => {
    const { session } = stored();
    if (!session || !item.file) return;
    item.stop = new AbortController();
    change(item, { state: "queued", error: undefined, note: undefined });
    const resuming = !upload;
    let first = true;
    try {
      await client.upload(upload ?? { sessionId: session.sessionId, fileId: item.fileId, file: item.file }, {
        signal: item.stop.signal,
        onProgress: ({ state, sentBytes, partSizeBytes, sentByPart }) => {
          if (item.stop?.signal.aborted) return;
          if (first && resuming) item.kept = sentByPart.filter(Boolean).length;
          first = first && !sentByPart.length;
          change(item, { state, sentBytes, partSizeBytes, sentByPart });
        },
      });
      say([`${item.name} is uploaded.`]);
    } catch (error) {
      await stopped(item, error);
    }
  });
}

/** @param {Item} item @param {unknown} error */
async function stopped(item, error) {
  if (error === "cancel") return;
  if (error === "pause") {
    change(item, { state: "paused" });
    return say([`${item.name} is paused.`]);
  }
  if (error instanceof UploadError && UPLOAD_GONE.has(error.reason) && !item.note) {
    change(item, { note: "The store had forgotten this upload: sent anew.", ...nothingSent() });
    return setTimeout(() => begin([item])); // with the lock given back
  }
  fail(item, error);
}

/** @param {Item} item @param {unknown} error */
function fail(item, error) {
  change(item, { state: "failed", error: error instanceof Error ? error : new Error(String(error)) });
  if (error instanceof UploadError && error.status === 401) return askForToken(error.message);
  say([`${item.name}: ${explain(item.error)}`]);
}

/** @param {Item} item @param {UploadError} [error] */
function refuse(item, error) {
  change(item, { state: "refused", error });
  return true;
}

/** @param {Item} item */
function retry(item) {
  const reason = item.error instanceof UploadError ? item.error.reason : "";
  const wasRegistered = item.state === "failed" && item.sentByPart.length > 0;
  if (SESSION_OVER.has(reason)) {
    store((state) => (state.session = null));
    forget([item]);
    change(item, { fileId: crypto.randomUUID(), ...nothingSent() });
  } else if (wasRegistered) {
    return run(item);
  }
  return begin([item]);
}

/** @param {Item} item */
async function cancel(item) {
  item.stop?.abort("cancel");
  const { session } = stored();
  try {
    if (session) await client.abortFile(session.sessionId, item.fileId);
    remove(item);
    say([`${item.name} is cancelled.`]);
  } catch (error) {
    fail(item, error);
  }
}

/** @param {Item} item */
function remove(item) {
  const row = rows.get(item);
  const hadFocus = row?.node.contains(document.activeElement);
  const next = /** @type {HTMLElement | null} */ (row?.node.nextElementSibling ?? row?.node.previousElementSibling ?? null);
  forget([item]);
  row?.node.remove();
  rows.delete(item);
  refresh();
  if (hadFocus) (next ?? element("input")).focus();
}

async function cancelAll() {
  const dialog = /** @type {HTMLDialogElement} */ (element("confirm"));
  dialog.returnValue = "keep";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  if (dialog.returnValue !== "cancel") return;
  const some = items().filter((item) => item.state !== "completed");
  some.forEach((item) => item.stop?.abort("cancel"));
  const { session } = stored();
  try {
    if (session) await client.cancelSession(session.sessionId);
    store((state) => (state.session = null));
    some.forEach(remove);
    say(["All unfinished uploads are cancelled."]);
    element("input").focus();
  } catch (error) {
    some.forEach((item) => fail(item, error));
  }
}

// --- Several tabs: whoever has the lock of a file sends it

/** @param {Item} item */
const lockOf = (item) => `upload ${item.fileId}`;

/** @param {Item} item @param {() => Promise<void>} task */
async function alone(item, task) {
  if (!navigator.locks) return task(); // an old browser: S3 and the API stand two tabs, they only waste bytes
  await navigator.locks.request(lockOf(item), { ifAvailable: true }, (lock) => {
    if (lock) return task();
    waitForOther(item);
  });
}

/** @param {Item} item */
async function waitForOther(item) {
  change(item, { state: "elsewhere" });
  await navigator.locks.request(lockOf(item), () => {});
  if (rows.has(item)) await restore();
}

// --- Going on after a reload

/** Show what storage and the API know of earlier uploads; also when another tab has changed them. */
async function restore() {
  const { session, files } = stored();
  if (!session) {
    inState("interrupted", "elsewhere").forEach(remove);
    return;
  }
  try {
    const detail = await client.getSession(session.sessionId);
    const held = new Set((await navigator.locks?.query())?.held?.map((lock) => lock.name));
    if (detail.status !== "active") return over(files);
    const summaries = new Map(detail.files.map((summary) => [summary.fileId, summary]));
    for (const file of files) {
      const known = items().find((item) => item.fileId === file.fileId);
      if (known && known.state !== "interrupted" && known.state !== "elsewhere") continue;
      const item = known ?? addItem({ ...file, state: "interrupted", ...nothingSent() });
      restoreItem(item, summaries.get(file.fileId), detail, held.has(lockOf(item)));
    }
    inState("interrupted", "elsewhere").filter((item) => !files.some((f) => f.fileId === item.fileId)).forEach(remove);
  } catch (error) {
    if (!(error instanceof UploadError)) throw error;
    if (error.status === 401) return askForToken(error.message);
    if (error.status === 404) return over(files);
    say([error.message]);
  }
}

/** @param {Item} item @param {FileSummary | undefined} summary @param {Session} session @param {boolean} isHeld */
function restoreItem(item, summary, session, isHeld) {
  const count = summary?.partCount ?? 0;
  const recorded = summary?.recordedPartCount ?? 0;
  const partSizeBytes = count === 1 ? item.size : session.partSizeBytes;
  if (summary?.status === "completed") {
    return change(item, { state: "completed", sentBytes: item.size, partSizeBytes, sentByPart: Array(count).fill(partSizeBytes) });
  }
  const sentBytes = Math.min(item.size, recorded * partSizeBytes);
  const sentByPart = Array.from({ length: count }, (_, i) => (i < recorded ? partSizeBytes : 0));
  change(item, { state: isHeld ? "elsewhere" : "interrupted", sentBytes, partSizeBytes, sentByPart, kept: recorded });
  if (isHeld) waitForOther(item);
  else if (item.file) run(item);
}

/** The session is over: what was unfinished in it has to begin anew. @param {Remembered[]} files */
function over(files) {
  store((state) => (state.session = null));
  inState("interrupted", "elsewhere").forEach(remove);
  if (files.length) say(["The last upload session is over: choose its files again to upload them anew."]);
}

// --- Signing in

async function probe() {
  if (stored().session) return restore();
  try {
    await client.getSession(NOBODY);
  } catch (error) {
    if (error instanceof UploadError && error.status === 401) askForToken(error.message);
  }
}

function askForToken(problem = "") {
  const hadToken = sessionStorage.getItem(TOKEN);
  element("sign-in").hidden = false;
  element("token").focus();
  say([hadToken && problem ? problem : "This service needs an access token."]);
}

/** @param {SubmitEvent} event */
async function signIn(event) {
  event.preventDefault();
  const input = /** @type {HTMLInputElement} */ (element("token"));
  sessionStorage.setItem(TOKEN, input.value.trim());
  input.value = "";
  element("sign-in").hidden = true;
  element("input").focus();
  await probe();
  inState("failed").filter((item) => item.error instanceof UploadError && item.error.status === 401).forEach(retry);
}

// --- Showing

/** @param {Item} item @param {Partial<Item>} changes */
function change(item, changes) {
  Object.assign(item, changes);
  dirty.add(item);
  if (dirty.size === 1) requestAnimationFrame(refresh);
}

/** @type {Set<Item>} */
const dirty = new Set();
/** @type {{ at: number, bytes: number }[]} */
let samples = [];

function refresh() {
  for (const item of dirty) rows.get(item)?.show(item, explain(item.error));
  dirty.clear();
  const all = items();
  const ready = inState("ready").length;
  const active = all.filter((item) => ACTIVE.has(item.state));
  const interrupted = inState("interrupted");
  show("files", all.length);
  show("start", ready);
  element("start").textContent = `Upload ${plural(ready, "file")}`;
  show("pause-all", active.length > 1);
  show("resume-all", inState("paused").length > 1);
  show("cancel-all", all.filter((item) => ACTIVE.has(item.state) || ["paused", "interrupted", "failed"].includes(item.state)).length > 1);
  show("clear", inState("completed").length && !active.length);
  show("interrupted", interrupted.length);
  element("interrupted-text").textContent =
    `${interrupted.length === 1 ? interrupted[0].name + " was" : interrupted.length + " uploads were"} interrupted. ` +
    `Choose ${interrupted.length === 1 ? "it" : "them"} again: only what is missing is sent.`;
  showTotal(all.filter((item) => !["ready", "refused"].includes(item.state)), active);
}

/** @param {Item[]} counted @param {Item[]} active */
function showTotal(counted, active) {
  const sent = counted.reduce((sum, item) => sum + item.sentBytes, 0);
  const size = counted.reduce((sum, item) => sum + item.size, 0);
  const done = counted.filter((item) => item.state === "completed").length;
  show("total", counted.length);
  /** @type {HTMLProgressElement} */ (element("total")).value = percent(sent, size);
  const speed = active.length ? speedOf(sent) : ((samples = []), 0);
  element("summary").textContent = !counted.length ? "Check the categories, then start." : [
    `${done} of ${plural(counted.length, "file")} done`,
    `${bytes(sent)} of ${bytes(size)}`,
    speed > 0 && `${bytes(speed)}/s`,
    speed > 0 && sent < size && `${duration((size - sent) / speed)} left`,
  ].filter(Boolean).join(" · ");
  document.title = active.length ? `${percent(sent, size)}% · Uploads` : "Uploads";
}

/** Bytes a second, over the last five. @param {number} sent */
function speedOf(sent) {
  const now = performance.now();
  if (now - (samples.at(-1)?.at ?? -Infinity) > 250) samples.push({ at: now, bytes: sent });
  samples = samples.filter((sample) => now - sample.at < 5000);
  const [first] = samples;
  return first && now - first.at > 500 ? Math.max(0, (sent - first.bytes) / ((now - first.at) / 1000)) : 0;
}

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** A refusal in words, with the numbers that the API gives. @param {Error} [error] */
function explain(error) {
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
const names = (some) => some.map((item) => item.name).join(", ");

/** @param {string} id @param {unknown} visible */
function show(id, visible) {
  element(id).hidden = !visible;
}

/** Tell it to a screen reader. @param {unknown[]} sentences */
function say(sentences) {
  element("live").textContent = sentences.filter(Boolean).join(" ");
}

// --- What people do

function listen() {
  const input = /** @type {HTMLInputElement} */ (element("input"));
  input.addEventListener("change", () => {
    choose([...(input.files ?? [])]);
    input.value = ""; // so that the same file can be chosen again
  });
  element("start").addEventListener("click", () => {
    element("files-title").focus(); // the button goes
    begin(inState("ready"));
  });
  element("pause-all").addEventListener("click", () => items().forEach((item) => item.stop?.abort("pause")));
  element("resume-all").addEventListener("click", () => inState("paused").forEach((item) => run(item)));
  element("cancel-all").addEventListener("click", cancelAll);
  element("clear").addEventListener("click", () => {
    inState("completed").forEach(remove);
    element("input").focus();
  });
  element("token-form").addEventListener("submit", signIn);
  addEventListener("storage", ({ key }) => key === STORE && restore());
  addEventListener("offline", () => items().some((item) => ACTIVE.has(item.state)) && say(["Offline. It goes on when the network is back."]));
  listenForDrops();
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
setInterval(() => items().some((item) => ACTIVE.has(item.state)) && refresh(), 1000);
probe();
