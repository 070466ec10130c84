/** Failures: what the API or the store said, as one type. */

export const LONGEST_PAUSE_MS = 20_000; // a server that wants a longer pause than this is not waited for

const STATUS_OF_CODE = /** @type {Record<string, number>} */ ({
  TOO_MANY_REQUESTS: 429, INTERNAL_ERROR: 500, SERVICE_UNAVAILABLE: 503,
});
const FINAL = new Set(["STORAGE_REFUSED"]); // 5xx that no repetition changes: the store's settings are wrong
const STALE = new Set(["ExpiredToken", "InvalidToken", "TokenRefreshRequired", "NoSuchUpload"]);
/** Codes of stores that may take the same part in a moment, whatever the status; of AWS KMS with "KMS." before them. */
const PASSING = new Set(["RequestTimeout", "IncompleteBody", "BadDigest", "OperationAborted", "ResourceLocked", "SlowDown",
  "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "ServiceUnavailable", "InternalError",
  "InternalException", "DependencyTimeoutException", "KeyUnavailableException"]);
const NOT_ALLOWED = new Set([401, 403, 413]);

/** The session is over: its files need another one. */
export const SESSION_OVER = new Set(["SESSION_EXPIRED", "SESSION_NOT_ACTIVE", "SESSION_NOT_FOUND"]);
/** The upload is gone, the session is not: register the file again. */
export const UPLOAD_GONE = new Set(["UPLOAD_NOT_FOUND", "FILE_NOT_FOUND"]);
/** The session takes no more files of this kind: another one does. */
export const SESSION_FULL = new Set(["FILE_COUNT_EXCEEDED", "CATEGORY_LIMIT_EXCEEDED", "REGISTRATION_LIMIT"]);

/** A failure that somebody should read: `reason` is for programs, `message` for people. */
export class UploadError extends Error {
  /**
   * @param {string} reason the API's own, or NETWORK, CORS, STORE_REFUSED, STORE_FAILED, FILE_UNREADABLE, UNEXPECTED
   * @param {string} message
   * @param {{ status?: number, details?: Record<string, any>, requestId?: string, retryAfterMs?: number, cause?: unknown }} [more]
   */
  constructor(reason, message, { status = 0, details = {}, requestId, retryAfterMs, cause } = {}) {
    super(message, { cause });
    this.name = "UploadError";
    this.reason = reason;
    this.status = status;
    this.details = details;
    this.requestId = requestId;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may succeed later. */
  get isTransient() {
    if (this.reason === "NETWORK" || this.reason === "STORE_FAILED") return true;
    if (FINAL.has(this.reason)) return false;
    // The API says when to come back; a proxy that says nothing may take it in a moment.
    const unsaid = this.reason === "UNEXPECTED" ? 0 : Infinity;
    if (this.status === 429) return (this.retryAfterMs ?? unsaid) <= LONGEST_PAUSE_MS;
    return this.status >= 500 || this.status === 408;
  }

  /** Whether the upload or its session is gone: register the file again. */
  get isOver() {
    return SESSION_OVER.has(this.reason) || UPLOAD_GONE.has(this.reason);
  }

  /** Whether the store may take the same part under another URL. */
  get isStale() {
    if (this.reason !== "STORE_REFUSED") return false;
    return this.status === 401 || this.status === 403 || STALE.has(this.details.storeCode);
  }
}

/** @param {number} status @param {string} body S3's XML @param {string} [requestId] S3's own */
export function storeError(status, body, requestId) {
  if (status === 0) return new UploadError("NETWORK", "The connection to the store broke.");
  const storeCode = /<Code>\s*([\w.]+)\s*<\/Code>/.exec(body)?.[1] ?? "";
  // A proxy's answer has no code: what it says of itself may be over in a moment.
  const isPassing = status >= 500 || status === 429 || PASSING.has(storeCode.replace(/^KMS\./, "")) ||
    (!storeCode && !NOT_ALLOWED.has(status));
  const message = isPassing ? "The store could not take a part." : "The store refused a part.";
  const more = { status, requestId, details: { storeStatus: status, storeCode } };
  return new UploadError(isPassing ? "STORE_FAILED" : "STORE_REFUSED", message, more);
}

/** What a response that is no success says. @param {Response} response @param {string} text */
export function refusal(response, text) {
  const { status, headers } = response;
  const more = { status, retryAfterMs: retryAfterMs(headers) };
  /** @type {any} */ let body;
  try {
    body = JSON.parse(text);
  } catch { /* a proxy's page, or the platform's */ }
  return errorOf(body?.error, {
    ...more, requestId: textOf(body?.requestId) || headers.get("X-Request-Id") || undefined,
  });
}

/** Seconds, or a date (RFC 9110): then by the clock of the server that names it. @param {Headers} headers
 * @returns {number | undefined} */
function retryAfterMs(headers) {
  const value = headers.get("Retry-After")?.trim();
  if (!value) return undefined;
  const now = Date.parse(headers.get("Date") ?? "") || Date.now();
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds);
}

/** An `error` object of the API, whatever came in its place.
 * @param {any} error @param {{ status?: number, requestId?: string, retryAfterMs?: number }} [more] */
export function errorOf(error, more = {}) {
  const status = more.status ?? STATUS_OF_CODE[error?.code] ?? 0;
  const details = error?.details && typeof error.details === "object" ? error.details : {};
  const message = forPeople(textOf(error?.message), details) || `The upload service answered ${status || "with an error"}.`;
  return new UploadError(textOf(error?.reason) || "UNEXPECTED", message, { ...more, status, details });
}

/** The API's words, with the numbers that they refer a program to. @param {string} text @param {Record<string, any>} details */
function forPeople(text, { maxSizeBytes, nextAllowedAt }) {
  const most = maxSizeBytes ? ` (at most ${(maxSizeBytes / 1e6).toFixed(1)} MB)` : "";
  const later = nextAllowedAt ? new Date(nextAllowedAt).toLocaleString() : "a while";
  return text.replace(/: see details[.\w]*$/, `${most}.`).replace("details.nextAllowedAt", later);
}

/** @param {unknown} value */
function textOf(value) {
  return typeof value === "string" ? value : "";
}
