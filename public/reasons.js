// @ts-check
/** What a failure says to people, with the numbers that the API gives, and what they can do. */

import { UploadError } from "./upload-client.js";
import { acceptedAs, fitting, nameOf, notAccepted, tooLarge } from "./policy.js";

/** @typedef {import("./list.js").Item} Item */

const NOT_UNDERSTOOD = "This page and the upload service do not understand each other. Reload the page; what has been sent is not lost.";
const WORDS = /** @type {Record<string, string>} */ ({
  FILE_EMPTY: "The file is empty: there is nothing to upload. Leave it out.",
  FILE_COUNT_EXCEEDED: "There was no room for this file. Try again.",
  REGISTRATION_LIMIT: "Uploads were started too often. Try again: a new upload starts.",
  PART_COUNT_INVALID: "The file is too large for the store to assemble. Split it, and choose its pieces.",
  SESSION_EXPIRED: "The time for this upload is over. Try again: it is sent from the start.",
  SESSION_NOT_ACTIVE: "This upload was cancelled. Try again: it is sent from the start.",
  SESSION_NOT_FOUND: "The upload service does not know this upload any more. Try again: it is sent from the start.",
  FILE_COMPLETED: "The file is complete already: there is nothing left to do.",
  UPLOAD_NOT_FOUND: "The store has forgotten this upload. Try again: it is sent from the start.",
  FILE_NOT_FOUND: "This upload was cancelled elsewhere. Try again: it is sent from the start.",
  PARTS_MISSING: "The store lacks a part of the file. Try again: only that is sent.",
  PART_SIZE_MISMATCH: "A part of the file arrived incomplete. Try again: only that is sent.",
  ETAG_MISMATCH: "A part of the file arrived changed. Try again.",
  TOKEN_MISSING: "Sign in to go on: nothing is lost.",
  TOKEN_INVALID: "This access token is not accepted. Sign in with another one.",
  TOKEN_EXPIRED: "Your access token has expired. Sign in again: nothing is lost.",
  FILE_ID_CONFLICT: "Another upload was taken for this one. Try again: it is sent as a file of its own.",
  DUPLICATE_FILE_KEY: "Another file has this name. Try again: it is sent beside it.",
  STORAGE_UNAVAILABLE: "The store does not answer. Nothing is lost: try again.",
  DATABASE_UNAVAILABLE: "The upload service does not answer. Nothing is lost: try again.",
  AUTH_UNAVAILABLE: "Your sign-in cannot be checked just now. Nothing is lost: try again.",
  NETWORK: "There is no connection. Nothing is lost: try again.",
  STORE_FAILED: "The store could not take a part of the file. Nothing is lost: try again.",
  STORE_REFUSED: "The store refused a part of the file. Try again; if it stays so, tell the operator.",
  FILE_UNREADABLE: "The file has changed, or is no longer where it was. Choose it again to send it as it is now.",
  VALIDATION_ERROR: "The upload service cannot take this file as it is. Give it another name, and choose it again.",
  INTERNAL_ERROR: "The upload service had a fault. Try again; what has been sent is not lost.",
  STORAGE_REFUSED: "The store does not let the upload service in: its operator has to fix that. Nothing is lost.",
  UNEXPECTED: "Something else than the upload service answered. Try again in a while; what has been sent is not lost.",
  BATCH_TOO_LARGE: "Those were too many files at once. Try again with fewer.",
  INSTRUCTION_REQUIRED: "A file of another category must come with it. Choose that one, too.",
  INVALID_JSON: NOT_UNDERSTOOD,
  BODY_TOO_LARGE: NOT_UNDERSTOOD,
  PART_NUMBER_INVALID: NOT_UNDERSTOOD,
  ROUTE_NOT_FOUND: NOT_UNDERSTOOD,
  METHOD_NOT_ALLOWED: NOT_UNDERSTOOD,
  CORS: "This page may not send to the service or its store. Its operator has to allow this page's address.",
});
const QUOTED = new Set(["INTERNAL_ERROR", "STORAGE_REFUSED", "UNEXPECTED", "VALIDATION_ERROR", "STORE_REFUSED"]);
/** Trying the same file again changes nothing. */
const HOPELESS = new Set(["FILE_EMPTY", "VALIDATION_ERROR", "PART_COUNT_INVALID", "FILE_COMPLETED"]);

/** @param {Item} item @returns {string} "" if nothing is wrong */
export function explain({ error, name, type, size, category }) {
  if (!error) return "";
  if (!(error instanceof UploadError)) return "Something went wrong on this page. Reload it: nothing is lost.";
  const { reason, details, requestId } = error;
  const file = { name, type, size };
  switch (reason) {
    case "FILE_TOO_LARGE":
      return tooLarge(details.sizeBytes ?? size, details.category ?? category, details.maxSizeBytes);
    case "MIME_TYPE_NOT_ALLOWED":
      if (fitting(file).length) return `Not accepted as ${nameOf(category)} (${acceptedAs(category)}). Choose another category.`;
      return notAccepted(name);
    case "CATEGORY_LIMIT_EXCEEDED":
      return "There are too many files of this category. Choose another one, or try again.";
    case "SESSION_RATE_LIMIT":
    case "UPLOAD_VOLUME_LIMIT":
      return `You have uploaded as much as is allowed in 24 hours. ${next(details.nextAllowedAt)}`;
  }
  const words = WORDS[reason] ?? "Something went wrong at the upload service. Try again; what has been sent is not lost.";
  return quoted(words, requestId, QUOTED.has(reason) || words === NOT_UNDERSTOOD || !WORDS[reason]);
}

/** The same, of what concerns no file. @param {UploadError} error */
export function explainAlone(error) {
  const isAway = error.status >= 500 || error.reason === "NETWORK";
  const known = isAway ? "The upload service does not answer. Your uploads are not lost." : WORDS[error.reason];
  return quoted(known ?? "Something went wrong at the upload service. Try again in a while.", error.requestId, !known || error.status >= 500);
}

/** Whether trying again, or another category, can help. @param {Item} item */
export function helps({ state, error, name, type, size, category }) {
  const { reason = "" } = error instanceof UploadError ? error : {};
  const others = fitting({ name, type, size }).filter((one) => one.name !== category);
  if (["MIME_TYPE_NOT_ALLOWED", "FILE_TOO_LARGE"].includes(reason)) return { retry: others.length > 0, category: others.length > 0 };
  const isHopeless = state === "refused" && !error; // this page refused it: no category takes it
  if (isHopeless || HOPELESS.has(reason)) return { retry: false, category: false };
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
  return `Try again after ${time.toLocaleString("en-GB", { weekday: "long", hour: "2-digit", minute: "2-digit" })}.`;
}
