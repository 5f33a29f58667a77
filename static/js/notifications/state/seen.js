// What was on a visible screen for a second; the next page starts after it.

import { attempt, isHidden, recall, remember } from "../platform.js";
import { logOf } from "../transport/protocol.js";

const ON_SCREEN_MS = 1_000;
const LEAVING_MS = 30_000;
const FOLLOWING_MS = 5_000; // no event says that a link was a download
const ACTING_MS = 5_000; // a script may ask before it leaves
const PAGES = /^(https?|blob|javascript):/;
const keyOf = (user) => `notifications-seen ${user}`;

/** Reports the position of a connection once the page has shown it long enough. */
export class Seen {
  #connection;
  #reported;
  #timer = null;
  #leave;

  constructor(connection) {
    this.#connection = connection;
    connection.store.addEventListener("change", () => this.soon());
    connection.addEventListener("status", () => this.soon());
  }

  /** Start the second if there is something new; in a hidden page stop it. */
  soon() {
    const { position } = this.#connection.store;
    if (isHidden()) {
      this.cancel();
    } else if (JSON.stringify(position) !== this.#reported) {
      this.#timer ??= setTimeout(() => this.#report(position), ON_SCREEN_MS);
    }
  }

  /** Count nothing while the user leaves the page: the next one shows what comes. */
  expectLeaving(event) {
    const link = event.composedPath().find(({ href, protocol }) => href && protocol);
    removeEventListener("beforeunload", this.#leave);
    this.#leave = () => {
      if (!link || event.defaultPrevented) {
        this.#pause(LEAVING_MS);
      } else if (PAGES.test(link.protocol) && !link.hasAttribute("download")) {
        this.#pause(FOLLOWING_MS);
      }
    };
    // A listener that is always there would keep the page out of Firefox's back/forward cache.
    const signal = attempt(() => AbortSignal.timeout(ACTING_MS));
    addEventListener("beforeunload", this.#leave, { once: true, signal });
  }

  cancel() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  #pause(milliseconds) {
    this.cancel();
    this.#timer = setTimeout(() => {
      this.cancel();
      this.soon();
    }, milliseconds);
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

/** Return the later of a position and what this browser has seen: "Back" can bring an old page. */
export function notBeforeSeen(user, { epoch, u, b }) {
  const seen = recall(keyOf(user));
  const isOurs = logOf(seen?.epoch) === logOf(epoch) && Number.isSafeInteger(seen.u + seen.b);
  // With its own epoch: the page may be of a log that was set back since.
  const later = isOurs && (seen.u > u || seen.b > b) ? seen : { epoch, u, b };
  return { epoch: later.epoch, cursor: { u: Math.max(u, later.u), b: Math.max(b, later.b) } };
}
