/** What is said of a file: its metadata for the API, an id for it, and a mark to know it again by. */

/** @typedef {import("./types.js").Choice} Choice */

const SAMPLE_BYTES = 64 * 1024;

/** @param {Choice & { fileId: string }} choice @param {number} partSizeBytes */
export function metadataOf({ file, fileId, fileKey, category, type }, partSizeBytes) {
  const partCount = Math.max(1, Math.ceil(file.size / partSizeBytes));
  return {
    name: wellFormed(file.name), size: file.size, type: (type ?? file.type) || undefined, fileId,
    fileKey: wellFormed(fileKey ?? fileId), category: category || undefined, partCount,
  };
}

/** Half a surrogate pair, which some systems allow in a name, is no Unicode: U+FFFD. @param {string} text */
function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}

/** A random UUID, also on a page that is no secure context. @returns {string} */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40; // version 4,
  bytes[8] = (bytes[8] & 0x3f) | 0x80; // variant 1 (RFC 9562)
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/**
 * A small checksum of a file's first and last 64 KiB, to know it again by after a reload; it is no protection against
 * somebody who means to deceive. Raises what reading the file raises.
 * @param {Blob} file @returns {Promise<string>}
 */
export async function fingerprintOf(file) {
  const head = file.slice(0, SAMPLE_BYTES);
  const tail = file.slice(Math.max(SAMPLE_BYTES, file.size - SAMPLE_BYTES));
  const bytes = new Uint8Array(await new Blob([head, tail]).arrayBuffer());
  // Two FNV-1a hashes of 32 bits: crypto.subtle is not there on a plain http page.
  let one = 0x811c9dc5, two = 0x9dc5811c;
  for (let i = 0; i < bytes.length; i++) {
    one = Math.imul(one ^ bytes[i], 0x01000193);
    two = Math.imul(two ^ bytes[i] ^ (i & 0xff), 0x01000193);
  }
  return `${file.size}-${(one >>> 0).toString(16)}-${(two >>> 0).toString(16)}`;
}
