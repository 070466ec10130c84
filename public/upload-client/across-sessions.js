/** Files that one session does not take go to the next one. */

import { SESSION_FULL, SESSION_OVER } from "./errors.js";
import { uuid } from "./files.js";

/**
 * @typedef {import("./types.js").Session} Session
 * @typedef {import("./types.js").Choice} Choice
 * @typedef {import("./types.js").Registration} Registration
 * @typedef {import("./errors.js").UploadError} UploadError
 * @typedef {{ session: Session, isNew: boolean }} Opened
 * @typedef {Choice & { fileId: string }} Named
 * @typedef {{ open: (spent: Session | null) => Promise<Opened>, signal?: AbortSignal,
 *   room?: (session: Session, next: Choice[]) => number,
 *   onAsk?: (session: Session, asked: Named[], indexes: number[]) => void,
 *   onAccepted?: (registration: Registration, index: number) => void }} Options
 *   `open` answers the session to use; `spent` is the one that takes no more. `room` is for how many of the next files it
 *   is worth asking it. `onAsk` comes before a request, whose answer may be lost; `onAccepted` as soon as a file is
 *   registered, so that sending need not wait for the last one. `index` is a choice's place.
 */

/**
 * An `open` for those who keep no session across reloads: one session for all who ask, at once or later, until it takes no more.
 * @param {() => Promise<Session>} create @returns {Options["open"]}
 */
export function oneSession(create) {
  /** @type {Promise<Session | null>} */ let current = Promise.resolve(null);
  return async (spent) => {
    let isNew = false;
    const opening = current.then((known) => {
      if (known && known.sessionId !== spent?.sessionId) return known;
      isNew = true;
      return create();
    });
    current = opening.catch(() => null);
    const session = await opening;
    return { session, isNew };
  };
}

/**
 * Register files, in as many sessions as they need: one that is full, expired or cancelled is followed by another, as
 * long as each new one takes a file. Raises what no other session changes (the network, the token, a rate limit).
 * @param {import("../upload-client.js").UploadClient} client @param {Choice[]} choices @param {Options} options
 * @returns {Promise<Registration[]>} in the order of the choices; a refused one has its `error`
 */
export async function registerAcrossSessions(client, choices, { open, signal, room, onAsk, onAccepted }) {
  const named = choices.map((choice) => ({ ...choice, fileId: choice.fileId ?? uuid() }));
  /** @type {Registration[]} */ const done = [];
  /** @type {Map<number, string>} */ const renamed = new Map(); // one other id, or key, for each file
  /** @type {Session | null} */ let spent = null;
  /** @type {Opened | null} */ let at = null;
  let accepted = 0; // in this session, by this call
  let waiting = choices.map((_, i) => i);
  while (waiting.length) {
    if (!at) {
      at = await open(spent);
      accepted = 0;
    }
    const { session, isNew } = /** @type {Opened} */ (at);
    const next = waiting.map((i) => choices[i]);
    const places = room ? room(session, next) : (session.maxFiles ?? Infinity) - accepted;
    const isBarren = isNew && !accepted;
    const asked = waiting.slice(0, Math.max(places, isBarren ? 1 : 0));
    const later = waiting.slice(asked.length);
    /** @type {number[]} */ let again = [];
    if (asked.length) {
      onAsk?.(session, asked.map((i) => named[i]), asked);
      const answers = await ask(client, session, asked.map((i) => named[i]), signal, (registration, n) => {
        accepted++;
        onAccepted?.(registration, asked[n]);
      });
      asked.forEach((i, n) => (done[i] = answers[n]));
      const other = asked.filter((i) => !renamed.has(i) && rename(named[i], done[i].error));
      other.forEach((i) => renamed.set(i, named[i].fileId));
      again = asked.filter((i) => isForAnother(done[i].error));
      again.filter((i) => SESSION_OVER.has(done[i].error?.reason ?? "")).forEach((i) => (named[i].fileId = uuid()));
      if (isNew && !accepted) again = []; // another session would say the same
      waiting = [...other, ...again, ...later];
    }
    if (again.length || !asked.length) [spent, at] = [session, null];
  }
  return done;
}

/** @param {import("../upload-client.js").UploadClient} client @param {Session} session @param {Named[]} asked
 * @param {AbortSignal | undefined} signal @param {(registration: Registration, n: number) => void} onAccepted
 * @returns {Promise<Registration[]>} also when the session as a whole refuses */
async function ask(client, session, asked, signal, onAccepted) {
  /** @type {Registration[]} */ const answers = [];
  try {
    await client.register(session, asked, signal, (some) => {
      for (const registration of some) {
        answers.push(registration);
        if (!registration.error) onAccepted(registration, answers.length - 1);
      }
    });
  } catch (caught) {
    const error = /** @type {UploadError} */ (caught); // of the client's copy of this module, which may be another one
    if (!SESSION_OVER.has(error?.reason)) throw error;
    const rest = asked.slice(answers.length);
    answers.push(...rest.map(({ fileId, file }) => ({ sessionId: session.sessionId, fileId, file, error })));
  }
  return answers;
}

/** Whether the file was given another id, or key, because somebody else has that one. @param {Named} choice @param {UploadError} [error] */
function rename(choice, error) {
  if (error?.reason === "FILE_ID_CONFLICT") choice.fileId = uuid();
  else if (error?.reason === "DUPLICATE_FILE_KEY") choice.fileKey = undefined; // the id is unique
  else return false;
  return true;
}

/** @param {UploadError} [error] */
function isForAnother(error) {
  return error !== undefined && (SESSION_FULL.has(error.reason) || SESSION_OVER.has(error.reason));
}
