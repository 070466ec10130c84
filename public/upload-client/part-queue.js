/** Starts parts first come, first served: as many at once as the connection finishes soon, up to a limit. */

const SPAN_S = 5; // another part starts when those under way would be sent in so many seconds
const WINDOW_MS = 5000; // the speed is what moved in the last of these
const LEAST_MS = 1000; // before that, and before any part is finished, the speed is not known
const STUCK_MS = 5000; // what moved no byte in so long does not keep the others back

/** @typedef {{ size: number, sent: number }} Part */

export class PartQueue {
  /** @type {(() => void)[]} */ #queue = [];
  /** @type {Set<Part>} */ #parts = new Set();
  /** @type {{ at: number, moved: number }[]} */ #samples = [];
  #moved = 0; // bytes, of all parts
  #movedAt = -Infinity;
  #isMeasured = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /** @param {number} count parts at once, at most */
  constructor(count) {
    this.count = count;
  }

  /**
   * Do something when it is its turn: first come, first served.
   * @template T
   * @param {number} size bytes that the task sends
   * @param {(track: (sent: number) => void) => Promise<T>} task `track` says how many bytes have gone
   * @param {AbortSignal} signal ends the waiting
   * @returns {Promise<T>}
   */
  async use(size, task, signal) {
    const part = { size, sent: 0 };
    await this.#turn(part, signal);
    try {
      const result = await task((sent) => this.#track(part, sent));
      this.#isMeasured = true;
      return result;
    } finally {
      this.#parts.delete(part);
      this.#pump();
    }
  }

  /** Resolves when the part is under way. @param {Part} part @param {AbortSignal} signal @returns {Promise<void>} */
  #turn(part, signal) {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (!this.#queue.length && this.#mayStart()) return Promise.resolve(this.#begin(part));
    return new Promise((resolve, reject) => {
      const start = () => {
        signal.removeEventListener("abort", leave);
        resolve(this.#begin(part));
      };
      const leave = () => {
        signal.removeEventListener("abort", leave);
        this.#queue = this.#queue.filter((one) => one !== start);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave);
      this.#queue.push(start);
      this.#timer ??= setTimeout(() => this.#tick(), 1000);
    });
  }

  /** The first part after a while measures the speed again. @param {Part} part */
  #begin(part) {
    this.#parts.add(part);
    if (this.#parts.size > 1 || performance.now() - this.#movedAt < WINDOW_MS) return;
    this.#samples = [{ at: performance.now(), moved: this.#moved }];
    this.#movedAt = performance.now();
    this.#isMeasured = false;
  }

  /** @param {Part} part @param {number} sent */
  #track(part, sent) {
    const now = performance.now();
    if (sent > part.sent) {
      this.#moved += sent - part.sent;
      this.#movedAt = now;
    }
    part.sent = sent;
    if (now - (this.#samples.at(-1)?.at ?? 0) > 100) this.#samples.push({ at: now, moved: this.#moved });
    while (this.#samples.length > 2 && now - this.#samples[0].at > WINDOW_MS) this.#samples.shift();
    this.#pump();
  }

  #mayStart() {
    if (this.#parts.size === 0) return true;
    if (this.#parts.size >= this.count) return false;
    const left = [...this.#parts].reduce((sum, part) => sum + part.size - part.sent, 0);
    if (left === 0 || performance.now() - this.#movedAt > STUCK_MS) return true;
    return left <= this.#speed() * SPAN_S;
  }

  /** Bytes a second; 0: not known. */
  #speed() {
    const [first] = this.#samples;
    const elapsed = performance.now() - (first?.at ?? performance.now());
    if (elapsed <= 0 || (elapsed < LEAST_MS && !this.#isMeasured)) return 0;
    return (1000 * (this.#moved - first.moved)) / elapsed;
  }

  #pump() {
    while (this.#queue.length && this.#mayStart()) this.#queue.shift()?.();
  }

  #tick() {
    this.#timer = undefined;
    this.#pump();
    if (this.#queue.length) this.#timer = setTimeout(() => this.#tick(), 1000);
  }
}
