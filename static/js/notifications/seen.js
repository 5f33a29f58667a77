// What was on a visible screen for a second; the next page starts after it.

const ON_SCREEN_MS = 1_000;
const STORAGE_KEY = "notifications-seen";

/** Reports the position of a connection once the page has shown it long enough. */
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

/** Return a cursor, or what this tab has seen if that is later: "Back" can bring an old page. */
export function notBeforeSeen(epoch, { u, b }) {
  const seen = recall();
  return seen?.epoch === epoch ? { u: Math.max(u, seen.u), b: Math.max(b, seen.b) } : { u, b };
}

// Storage throws where a policy forbids it.
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
