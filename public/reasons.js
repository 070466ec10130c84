// @ts-check
/** What a failure says to people, with the numbers that the API gives, and what they can do. */

import { UploadError } from "./upload-client.js";
import { accepted, acceptedAs, fitting, kindOf, nameOf } from "./policy.js";
import { bytes } from "./words.js";

/** @typedef {import("./list.js").Item} Item */

const WORDS = /** @type {Record<string, string>} */ ({
  FILE_EMPTY: "The file is empty: there is nothing to upload.",
  FILE_COUNT_EXCEEDED: "The upload session is full, and so was the next one. Try again.",
  REGISTRATION_LIMIT: "This session was started too often. Try again: it takes another one.",
  PART_COUNT_INVALID: "The file is too large for the store to assemble.",
  SESSION_EXPIRED: "The upload session has expired. Try again: it takes another one.",
  SESSION_NOT_ACTIVE: "The upload session was cancelled. Try again: it takes another one.",
  SESSION_NOT_FOUND: "The upload session is gone. Try again: it takes another one.",
  FILE_COMPLETED: "The file is complete already.",
  UPLOAD_NOT_FOUND: "The store has forgotten this upload. Try again: it is sent anew.",
  FILE_NOT_FOUND: "This upload was cancelled elsewhere. Try again: it is sent anew.",
  PARTS_MISSING: "The store lacks a part of the file. Try again: only that is sent.",
  PART_SIZE_MISMATCH: "A part of the file arrived incomplete. Try again: only that is sent.",
  ETAG_MISMATCH: "A part of the file arrived changed. Try again.",
  TOKEN_MISSING: "Sign in to go on: nothing is lost.",
  TOKEN_INVALID: "This access token is not accepted. Sign in with another one.",
  TOKEN_EXPIRED: "Your access token has expired. Sign in again: nothing is lost.",
  FILE_ID_CONFLICT: "Another upload has this file's number. Try again: it gets another one.",
  DUPLICATE_FILE_KEY: "Another file of this session has this name. Try again.",
  STORAGE_UNAVAILABLE: "The store does not answer. Nothing is lost: try again.",
  DATABASE_UNAVAILABLE: "The upload service does not answer. Nothing is lost: try again.",
  AUTH_UNAVAILABLE: "Your sign-in cannot be checked just now. Nothing is lost: try again.",
  NETWORK: "There is no connection. Nothing is lost: try again.",
  STORE_FAILED: "The store could not take a part of the file. Nothing is lost: try again.",
  STORE_REFUSED: "The store refused a part of the file. Try again; if it stays so, tell the operator.",
  FILE_UNREADABLE: "The file has changed, or is no longer where it was. Choose it again to send it as it is now.",
  CORS: "This page may not send to the service or its store. Its operator has to allow this page's address.",
});
const QUOTED = new Set(["INTERNAL_ERROR", "STORAGE_REFUSED", "UNEXPECTED", "VALIDATION_ERROR", "STORE_REFUSED"]);

/** @param {Item} item @returns {string} "" where nothing is wrong */
export function explain({ error, name, type, size, category }) {
  if (!error) return "";
  if (!(error instanceof UploadError)) return "Something went wrong on this page. Reload it: nothing is lost.";
  const { reason, details, requestId } = error;
  const file = { name, type, size };
  switch (reason) {
    case "FILE_TOO_LARGE":
      return `Too large: ${bytes(details.sizeBytes ?? size)}, and ${nameOf(details.category ?? category)} may have at most ${bytes(details.maxSizeBytes)}.`;
    case "MIME_TYPE_NOT_ALLOWED":
      if (fitting(file).length) return `Not accepted as ${nameOf(category)} (${acceptedAs(category)}). Choose another category.`;
      return `${kindOf(name)} are not accepted. Accepted: ${accepted()}.`;
    case "CATEGORY_LIMIT_EXCEEDED":
      return `A session takes at most ${details.maxFiles} of these. Choose another category, or try again.`;
    case "SESSION_RATE_LIMIT":
    case "UPLOAD_VOLUME_LIMIT":
      return `You have uploaded as much as is allowed in 24 hours. ${next(details.nextAllowedAt)}`;
  }
  const words = WORDS[reason] ?? "Something went wrong at the upload service. Try again; what has been sent is not lost.";
  return quoted(words, requestId, QUOTED.has(reason) || !WORDS[reason]);
}

/** The same, of what concerns no file. @param {UploadError} error */
export function explainAlone(error) {
  const known = error.status >= 500 ? "The upload service does not answer." : WORDS[error.reason];
  return quoted(known ?? "Something went wrong at the upload service.", error.requestId, !known || error.status >= 500);
}

/** Whether trying again, or another category, can help. @param {Item} item */
export function helps({ state, error, name, type, size, category }) {
  const { reason = "" } = error instanceof UploadError ? error : {};
  const others = fitting({ name, type, size }).filter((one) => one.name !== category);
  if (["MIME_TYPE_NOT_ALLOWED", "FILE_TOO_LARGE"].includes(reason)) return { retry: others.length > 0, category: others.length > 0 };
  const isHopeless = state === "refused" && !error; // this page refused it: no category takes it
  if (isHopeless || reason === "FILE_EMPTY") return { retry: false, category: false };
  return { retry: reason !== "FILE_UNREADABLE", category: state === "ready" || state === "refused" };
}

/** @param {string} words @param {string | undefined} requestId @param {boolean} isToQuote */
function quoted(words, requestId, isToQuote) {
  return isToQuote && requestId ? `${words} When you report it, quote ${requestId}.` : words;
}

/** @param {string} [at] */
function next(at) {
  const time = new Date(at ?? "");
  if (Number.isNaN(time.getTime())) return "Try again tomorrow.";
  return `Try again after ${time.toLocaleString(undefined, { weekday: "long", hour: "2-digit", minute: "2-digit" })}.`;
}
