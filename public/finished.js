// @ts-check
/** What finished files show: a link, if the file can be read without signing in, and a small picture of images. */

import { timeoutSignal } from "./timeout.js";

const PREVIEW_PX = 96;
const MAX_PREVIEW_BYTES = 20_000_000;

/** Whether the store lets anybody read: asked once, of the first finished file. @type {Promise<boolean> | undefined} */
let readable;

/** @param {string} url */
export function isReadable(url) {
  readable ??= fetch(url, { method: "HEAD", credentials: "omit", signal: timeoutSignal(10_000) }).then(({ ok }) => ok, () => false);
  return readable;
}

/** @param {File} file @returns {Promise<HTMLCanvasElement | null>} null: it is no picture that this browser shows */
export async function previewOf(file) {
  if (!file.type.startsWith("image/") || file.size > MAX_PREVIEW_BYTES) return null;
  try {
    const bitmap = await createImageBitmap(file, { resizeHeight: PREVIEW_PX, resizeQuality: "medium" });
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = PREVIEW_PX;
    const scale = Math.max(PREVIEW_PX / bitmap.width, PREVIEW_PX / bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    canvas.getContext("2d")?.drawImage(bitmap, (PREVIEW_PX - width) / 2, (PREVIEW_PX - height) / 2, width, height);
    bitmap.close();
    return canvas;
  } catch {
    return null;
  }
}
