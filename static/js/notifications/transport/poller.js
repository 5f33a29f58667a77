// The feed over HTTP: what another tab had first, and all of it if WebSockets are blocked.

import { between } from "./protocol.js";
import { inTurn } from "./turns.js";

const POLL_MS = [30_000, 60_000];

/** `read()` goes up to the present: `readPage()` returns whether there is more. */
export class Poller {
  #timer = null;
  #report;

  constructor(readPage, report) {
    this.#report = report;
    this.read = inTurn(async () => {
      while (await readPage());
    });
  }

  /** Poll until `stop()`; `report(error)` is called after each. */
  start() {
    this.#timer ??= setTimeout(() => this.#poll());
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #poll() {
    const error = await this.read().catch((error) => error);
    if (this.#timer) {
      this.#timer = setTimeout(() => this.#poll(), between(...POLL_MS));
      this.#report(error);
    }
  }
}
