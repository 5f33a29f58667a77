// One tab of a browser leads and relays what it receives to the others. No network, no items.

import { attempt, isHidden } from "../platform.js";

const PING_MS = 800;
const STEAL_AFTER_PINGS = 2;
const ALONE_AFTER_PINGS = 5;

/**
 * Calls `lead()`, `follow()` and `receive(message)`. The browser passes the lead on when its tab dies;
 * from one that hangs a visible tab takes it. Without a name, and where the browser refuses locks or
 * a channel or never answers, every tab leads.
 */
export class Tabs {
  isLeading = false;
  #name;
  #on;
  #channel;
  #waiting;
  #release;
  #pings;
  #unanswered = 0;
  #hasReceived = false;

  constructor(name, on) {
    this.#name = name;
    this.#on = on;
  }

  /** Compete for the lead, unless it already does. */
  join() {
    if (this.#pings) {
      return;
    }
    this.#channel ??= attempt(() => this.#openChannel());
    if (!this.#channel) {
      this.#lead();
      return;
    }
    this.#unanswered = 0;
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
    const about = { isLeading: this.isLeading, isHidden: isHidden() };
    attempt(() => this.#channel?.postMessage({ ...message, ...about }));
  }

  /** Ping the leading tab. */
  ping() {
    this.post({ type: "ping" });
  }

  /** Take the lead from another tab. */
  takeOver() {
    this.#waiting.abort();
    this.#compete({ steal: true });
  }

  #openChannel() {
    const channel = this.#name && navigator.locks && new BroadcastChannel(this.#name);
    channel.onmessage = ({ data }) => this.#receive(Object(data)); // whoever posted it
    return channel;
  }

  async #compete(options) {
    this.#waiting = new AbortController();
    const { signal } = this.#waiting;
    const lead = () => !signal.aborted && this.#lead();
    try {
      await navigator.locks.request(this.#name, options ?? { signal }, lead);
    } catch {
      if (!signal.aborted) {
        this.#lost();
      }
    }
  }

  // Another tab took it, or a sandbox forbids locks. A tab that hears nothing would retake it.
  #lost() {
    if (this.isLeading && this.#hasReceived) {
      this.isLeading = false;
      this.#on.follow();
      this.#compete();
    } else {
      this.#leadAlone();
    }
  }

  #leadAlone() {
    this.leave();
    this.#lead();
  }

  #lead() {
    this.isLeading = true;
    this.#on.lead();
    return new Promise((resolve) => (this.#release = resolve));
  }

  #receive(message) {
    this.#hasReceived = true;
    this.#unanswered = message.isLeading ? 0 : this.#unanswered;
    this.#on.receive(message);
  }

  // The timers of a hidden page run late: if it hears others, it waits until visible.
  #tick() {
    if (this.isLeading || (isHidden() && this.#hasReceived)) {
      this.#unanswered = 0;
    } else if (++this.#unanswered === STEAL_AFTER_PINGS) {
      this.takeOver();
    } else if (this.#unanswered >= ALONE_AFTER_PINGS) {
      this.#leadAlone();
    } else {
      this.ping();
    }
  }
}
