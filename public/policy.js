// @ts-check
/** What may be uploaded, as the API says it (`x-upload-policy`); the API judges, this only saves people the way. */

import { timeoutSignal } from "./timeout.js";
import { apart, bytes } from "./words.js";

/**
 * @typedef {Record<string, string>} Names
 * @typedef {{ name: string, types: string[], extensions: string[], maxSizeBytes: number, maxFiles: number | null }} Category
 * @typedef {{ categories: Category[], typesByExtension?: Names, aliases?: Names, lessExactThan?: Record<string, string[]> }} Policy
 */

const ANSWER_MS = 20_000;

const NAMES = /** @type {Record<string, { one: string, many: string }>} */ ({
  instruction: { one: "an instruction", many: "Instructions" },
  "parts-list": { one: "a parts list", many: "Parts lists" },
  image: { one: "an image", many: "Images" },
  thumbnail: { one: "a thumbnail", many: "Thumbnails" },
});

/** @type {Policy} */
let policy = { categories: [] };

/** Raises what fetch raises, and an Error if something else answered. @returns {Promise<{ isTokenNeeded: boolean }>} */
export async function loadPolicy() {
  const response = await fetch("api/openapi.json", { signal: timeoutSignal(ANSWER_MS) });
  const document = await response.json();
  const told = document["x-upload-policy"];
  if (!response.ok || !told?.categories?.length) throw new Error("That was not the API's description.");
  policy = told;
  return { isTokenNeeded: (document.security ?? []).length > 0 };
}

export const isKnown = () => policy.categories.length > 0;
export const categories = () => policy.categories;

/** @param {string} name */
export const category = (name) => policy.categories.find((one) => one.name === name);

/** @param {string | null | undefined} name */
export const nameOf = (name) => NAMES[name ?? ""]?.one ?? (name ? `a file of category ${name}` : "a file");

/** @param {string} name */
export const titleOf = (name) => {
  const words = (NAMES[name]?.one ?? name).replace(/^an? /, "");
  return words[0].toUpperCase() + words.slice(1);
};

/** For a file input. */
export function acceptOf() {
  const all = policy.categories.flatMap((one) => [...one.types, ...one.extensions.map((extension) => `.${extension}`)]);
  return [...new Set(all)].join(",");
}

/** What a browser calls a file, under the name that the API knows. @param {{ name: string, type: string }} file */
export function typeOf({ name, type }) {
  const essence = type.split(";")[0].trim().toLowerCase();
  const known = own(policy.aliases, essence) ?? essence;
  const extension = extensionOf(name);
  const isExact = known && known !== "application/octet-stream" && !own(policy.lessExactThan, known)?.includes(extension);
  return isExact ? known : own(policy.typesByExtension, extension) ?? known;
}

/** Not what every object has: a file may end with .constructor. @template T @param {Record<string, T> | undefined} record @param {string} key */
const own = (record, key) => (record && Object.hasOwn(record, key) ? record[key] : undefined);

/** The categories that would take a file. @param {{ name: string, type: string, size: number }} file */
export function fitting(file) {
  const type = typeOf(file);
  return policy.categories.filter((one) => one.types.includes(type) && file.size <= one.maxSizeBytes);
}

/** The category that the API would derive; "" if none takes it, or nothing is known. @param {{ name: string, type: string }} file */
export function categoryOf(file) {
  const type = typeOf(file);
  return policy.categories.find((one) => one.types.includes(type))?.name ?? "";
}

/** Why no category takes a file; "" if one does, or nothing is known. @param {{ name: string, type: string, size: number }} file */
export function problemOf(file) {
  if (file.size === 0) return "The file is empty: there is nothing to upload. Leave it out.";
  if (!isKnown() || fitting(file).length) return "";
  const type = typeOf(file);
  const ofType = policy.categories.filter((one) => one.types.includes(type));
  if (ofType.length) {
    const largest = ofType.reduce((one, other) => (other.maxSizeBytes > one.maxSizeBytes ? other : one));
    return tooLarge(file.size, largest.name, largest.maxSizeBytes);
  }
  return notAccepted(file.name);
}

/** @param {number} size @param {string} category @param {number} [most] */
export function tooLarge(size, category, most) {
  if (!most) return `Too large for ${nameOf(category)}: ${bytes(size)}. Choose a smaller file.`;
  const [is, may] = apart(size, most);
  return `Too large: ${is}, and ${nameOf(category)} may have at most ${may}.`;
}

/** @param {string} name */
export function notAccepted(name) {
  const extension = extensionOf(name);
  const kind = extension ? `Files of the kind .${extension}` : "Files without an extension";
  return `${kind} are not accepted.` + (isKnown() ? ` Accepted: ${accepted()}.` : "");
}

/** All that is accepted, in one line. */
export function accepted() {
  /** @type {Map<string, string[]>} */ const byExtensions = new Map(); // thumbnails are images, too
  for (const one of policy.categories) {
    const key = kindsOf(one);
    byExtensions.set(key, [...(byExtensions.get(key) ?? []), one.name]);
  }
  return [...byExtensions].map(([extensions, names]) => {
    const largest = Math.max(...names.map((name) => category(name)?.maxSizeBytes ?? 0));
    const many = NAMES[names[0]]?.many ?? titleOf(names[0]);
    return `${many} (${extensions}) up to ${bytes(largest)}`;
  }).join(" · ");
}

/** What one category takes. @param {string} name */
export function acceptedAs(name) {
  const one = category(name);
  return one ? `${kindsOf(one)} up to ${bytes(one.maxSizeBytes)}` : "";
}

/** The first extension of each type: nobody looks for JFIF. @param {Category} one */
function kindsOf({ extensions }) {
  const typeBy = policy.typesByExtension ?? {};
  const first = extensions.filter((extension, i) => {
    const type = typeBy[extension];
    return !type || extensions.findIndex((other) => typeBy[other] === type) === i;
  });
  return first.map((extension) => extension.toUpperCase()).join(", ");
}

/** @param {string} name */
function extensionOf(name) {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
}
