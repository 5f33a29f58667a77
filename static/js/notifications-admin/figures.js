// Keeps the numbers of the broadcasts up to date while the page is visible.

import { isHidden, now } from "../notifications/platform.js";

const PAUSE_MS = 3_000;
const PAUSE_PER_ANSWER = 10; // counting keeps the server busy for a tenth of the time at most
const OPEN = ["scheduled", "live"];

export class BroadcastFigures extends HTMLElement {
  #watching;
  #timer;
  #isDue = false;

  connectedCallback() {
    this.#watching = new AbortController();
    const { signal } = this.#watching;
    document.addEventListener("visibilitychange", () => this.#ask(), { signal });
    this.#pause(PAUSE_MS);
  }

  disconnectedCallback() {
    this.#watching.abort();
    clearTimeout(this.#timer);
  }

  #pause(milliseconds) {
    this.#timer = setTimeout(() => {
      this.#isDue = true;
      this.#ask();
    }, milliseconds);
  }

  async #ask() {
    const pks = this.#openPks();
    if (!this.#isDue || isHidden() || !pks.length) {
      return;
    }
    this.#isDue = false;
    const started = now();
    const isWelcome = await this.#fetch(pks);
    if (isWelcome && !this.#watching.signal.aborted) {
      this.#pause(Math.max(PAUSE_MS, PAUSE_PER_ANSWER * (now() - started)));
    }
  }

  // An ended broadcast no longer changes.
  #openPks() {
    const states = [...this.querySelectorAll("[data-state]")].map(({ dataset }) => dataset);
    return states.filter(({ state }) => OPEN.includes(state)).map(({ broadcast }) => broadcast);
  }

  /** Tell whether to ask again; without a session the answer is the log-in page. */
  async #fetch(pks) {
    try {
      const { signal } = this.#watching;
      const answer = await fetch(`${this.dataset.url}?ids=${pks}`, { signal, redirect: "manual" });
      if (answer.ok) {
        this.#show(await answer.json());
      }
      return answer.ok || answer.status >= 500;
    } catch {
      return true; // the network may return
    }
  }

  #show(figures) {
    for (const element of this.querySelectorAll("[data-broadcast]")) {
      const { broadcast, figure } = element.dataset;
      const shown = figures[broadcast];
      if (shown && figure) {
        element.textContent = shown[figure];
      } else if (shown) {
        element.textContent = shown.label;
        element.dataset.state = shown.state;
      }
    }
  }
}
