// One tab of a browser leads and tells the others what it hears. No network, no items.

const PING_MS = 800;

/**
 * Calls `lead()`, `follow()` and `hear(message)`. The browser passes the lead on when its tab dies;
 * from one that hangs a visible tab takes it. Without a name or these APIs every tab leads.
 */
export class Tabs {
  isLeading = false;
  #name;
  #on;
  #channel;
  #waiting;
  #release;
  #pings;
  #unanswered = false;

  constructor(name, on) {
    this.#name = name;
    this.#on = on;
  }

  /** Compete for the lead, unless this tab does already. */
  join() {
    if (this.#pings) {
      return;
    }
    if (!this.#name || !navigator.locks || !globalThis.BroadcastChannel) {
      this.#lead();
      return;
    }
    this.#channel ??= new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#pings = setInterval(() => this.#tick(), PING_MS);
    this.#compete();
    this.ping();
  }

  /** Neither lead nor wish to, but go on listening. */
  resign() {
    clearInterval(this.#pings);
    this.#pings = null;
    this.isLeading = false;
    this.#waiting?.abort();
    this.#release?.();
  }

  leave() {
    this.resign();
    this.#channel?.close();
    this.#channel = null;
  }

  post(message) {
    const { isLeading } = this;
    this.#channel?.postMessage({ ...message, isLeading, isHidden: document.hidden });
  }

  /** Ask the leading tab how it is. */
  ping() {
    this.post({ type: "ping" });
  }

  /** Take the lead from another tab. */
  takeOver() {
    this.#waiting.abort();
    this.#compete({ steal: true });
  }

  #compete(options) {
    this.#waiting = new AbortController();
    const { signal } = this.#waiting;
    const lead = () => !signal.aborted && this.#lead();
    navigator.locks.request(this.#name, options ?? { signal }, lead).catch(({ name }) => {
      if (this.isLeading) {
        this.isLeading = false;
        this.#on.follow();
        this.#compete();
      } else if (name !== "AbortError") {
        this.#lead(); // a sandboxed page may not lock
      }
    });
  }

  #lead() {
    this.isLeading = true;
    this.#on.lead();
    return new Promise((resolve) => (this.#release = resolve));
  }

  #hear(message) {
    this.#unanswered &&= !message.isLeading;
    this.#on.hear(message);
  }

  #tick() {
    if (this.isLeading || document.hidden) {
      this.#unanswered = false;
    } else if (this.#unanswered) {
      this.takeOver();
    } else {
      this.#unanswered = true;
      this.ping();
    }
  }
}
