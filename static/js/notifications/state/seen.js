// What was on a visible screen for a second; the next page starts after it.

import { recall, remember } from "../platform.js";
import { logOf } from "../transport/protocol.js";

const ON_SCREEN_MS = 1_000;
const LEAVING_MS = 30_000; // a page that a download left where it was counts again
const keyOf = (user) => `notifications-seen ${user}`;

/** Reports the position of a connection once the page has shown it long enough. */
export class Seen {
  #connection;
  #reported;
  #timer = null;

  constructor(connection) {
    this.#connection = connection;
  }

  /** Start the second if there is something new; in a hidden page stop it. */
  soon() {
    const { position } = this.#connection.store;
    if (document.hidden) {
      this.cancel();
    } else if (JSON.stringify(position) !== this.#reported) {
      this.#timer ??= setTimeout(() => this.#report(position), ON_SCREEN_MS);
    }
  }

  /** Count nothing for now: the page is being left, and the next one shows what comes. */
  leave() {
    this.cancel();
    this.#timer = setTimeout(() => this.#report(this.#connection.store.position), LEAVING_MS);
  }

  cancel() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  #report(position) {
    this.#timer = null;
    remember(keyOf(this.#connection.user), position);
    if (this.#connection.seen(position)) {
      this.#reported = JSON.stringify(position);
      this.soon();
    }
  }
}

/** Return a position, or what this browser has seen if that is later: "Back" can bring an old page. */
export function notBeforeSeen(user, { epoch, u, b }) {
  const seen = recall(keyOf(user));
  const isOurs = logOf(seen?.epoch) === logOf(epoch) && Number.isSafeInteger(seen.u + seen.b);
  const isLater = isOurs && (seen.u > u || seen.b > b);
  // With its own epoch: the page may be of a log that was set back since.
  return isLater
    ? { epoch: seen.epoch, cursor: { u: Math.max(u, seen.u), b: Math.max(b, seen.b) } }
    : { epoch, cursor: { u, b } };
}
