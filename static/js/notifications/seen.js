// Tells what was on a visible screen for a second, so that the next page starts after it.

const ON_SCREEN_MS = 1_000;
const STORAGE_KEY = "notifications-seen";

/** Reports the position that a connection has reached, once the page has shown it long enough. */
export class Seen {
  #connection;
  #reported;
  #timer = null;

  constructor(connection) {
    this.#connection = connection;
  }

  /** Start the second, unless it runs already or there is nothing new. */
  soon() {
    const position = this.#connection.store.position;
    if (!this.#timer && !document.hidden && JSON.stringify(position) !== this.#reported) {
      this.#timer = setTimeout(() => this.#report(position), ON_SCREEN_MS);
    }
  }

  /** The page went out of sight before the second was over. */
  cancel() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  #report(position) {
    this.#timer = null;
    if (this.#connection.socket.seen(position)) {
      this.#reported = JSON.stringify(position);
      remember(this.#reported);
      this.soon();
    }
  }
}

/**
 * Return the later of a page's cursor and what this tab has shown: going back in the history
 * can bring up an old copy of a page, with an old cursor in it.
 */
export function notBeforeSeen(epoch, { u, b }) {
  const seen = recall();
  return seen?.epoch === epoch ? { u: Math.max(u, seen.u), b: Math.max(b, seen.b) } : { u, b };
}

// Storage throws where a policy forbids it; the page's own cursor is then all there is.
function remember(text) {
  try {
    sessionStorage.setItem(STORAGE_KEY, text);
  } catch {}
}

function recall() {
  try {
    return JSON.parse(sessionStorage.getItem(STORAGE_KEY));
  } catch {
    return null;
  }
}
