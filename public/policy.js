// @ts-check
/** What may be uploaded, as the API says it (`x-upload-policy`); the API judges, this only saves people the way. */

import { bytes } from "./words.js";

/**
 * @typedef {Record<string, string>} Names
 * @typedef {{ name: string, types: string[], extensions: string[], maxSizeBytes: number, maxFiles: number | null }} Category
 * @typedef {{ categories: Category[], typesByExtension?: Names, aliases?: Names, lessExactThan?: Record<string, string[]> }} Policy
 */

const NAMES = /** @type {Record<string, { one: string, many: string }>} */ ({
  instruction: { one: "an instruction", many: "Instructions" },
  "parts-list": { one: "a parts list", many: "Parts lists" },
  image: { one: "an image", many: "Images" },
  thumbnail: { one: "a thumbnail", many: "Thumbnails" },
});

/** @type {Policy} */
let policy = { categories: [] };

/** Whether somebody has to sign in. @returns {Promise<boolean>} */
export async function loadPolicy() {
  const response = await fetch("api/openapi.json");
  const document = await response.json();
  if (Array.isArray(document["x-upload-policy"]?.categories)) policy = document["x-upload-policy"];
  return (document.security ?? []).length > 0;
}

export const categories = () => policy.categories;

/** @param {string} name */
export const category = (name) => policy.categories.find((one) => one.name === name);

/** @param {string | null | undefined} name */
export const nameOf = (name) => NAMES[name ?? ""]?.one ?? `a file of category ${name}`;

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

/** The category that the API would derive. @param {{ name: string, type: string }} file */
export function categoryOf(file) {
  const type = typeOf(file);
  const found = policy.categories.find((one) => one.types.includes(type));
  if (found) return found.name;
  if (type.startsWith("image/")) return "image";
  return type === "application/pdf" ? "instruction" : "parts-list";
}

/** Why no category takes a file; "" where one does, or nothing is known. @param {{ name: string, type: string, size: number }} file */
export function problemOf(file) {
  if (file.size === 0) return "The file is empty: there is nothing to upload.";
  if (!policy.categories.length || fitting(file).length) return "";
  const type = typeOf(file);
  const ofType = policy.categories.filter((one) => one.types.includes(type));
  if (ofType.length) {
    const largest = ofType.reduce((one, other) => (other.maxSizeBytes > one.maxSizeBytes ? other : one));
    return `Too large: ${bytes(file.size)}, and ${nameOf(largest.name)} may have at most ${bytes(largest.maxSizeBytes)}.`;
  }
  return `${kindOf(file.name)} are not accepted. Accepted: ${accepted()}.`;
}

/** @param {string} name */
export function kindOf(name) {
  const extension = extensionOf(name);
  return extension ? `Files of the kind .${extension}` : "Files without an extension";
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
