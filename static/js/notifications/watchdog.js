// Notices that the other side has gone silent. No transport.

const TICK_MS = 1_000;
const LATE_MS = 5_000;
const ANSWER_WITHIN_MS = 3_000;

/**
 * Calls `silent(wasProbed)` when nothing was heard for the allowed time. Timers of a hidden page
 * run late, so it reads the clock; and after a late tick frames may still lie in the queue, so it
 * calls `probe` first and waits for the answer.
 */
export class Watchdog {
  #silent;
  #ask;
  #timer;
  #tickedAt;
  #allowedMs;
  #deadline;
  #isProbing;

  constructor(silent, probe) {
    this.#silent = silent;
    this.#ask = probe;
  }

  start(allowedMs) {
    this.#tickedAt = Date.now();
    this.allow(allowedMs);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }

  allow(ms) {
    this.#allowedMs = ms;
    this.heard();
  }

  heard() {
    this.#deadline = Date.now() + this.#allowedMs;
    this.#isProbing = false;
  }

  /** Ask for a sign of life. */
  probe() {
    this.#isProbing = true;
    this.#deadline = Date.now() + ANSWER_WITHIN_MS;
    this.#ask();
  }

  #tick() {
    const now = Date.now();
    const isLate = now - this.#tickedAt > LATE_MS;
    this.#tickedAt = now;
    if (now > this.#deadline) {
      if (isLate && !this.#isProbing) {
        this.probe();
      } else {
        this.#silent(this.#isProbing);
      }
    }
  }
}
