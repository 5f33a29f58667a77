// Speaks to screen readers: politely, for errors at once, and never in a flood.

import { element } from "./dom.js";

const GATHER_MS = 150;
const SPOKEN_MAX = 3;

/** A live region, `status` or `alert`; of more than three texts at once `summary(n)` is said. */
export class Announcer {
  #texts = [];
  #summary;

  constructor(role, summary) {
    this.element = element("div", { role, class: "unseen" });
    this.#summary = summary;
  }

  say(text) {
    if (this.#texts.push(text) === 1) {
      setTimeout(() => this.#flush(), GATHER_MS);
    }
  }

  #flush() {
    const texts = this.#texts.splice(0);
    const text = texts.length > SPOKEN_MAX ? this.#summary(texts.length) : texts.join(" ");
    this.element.replaceChildren(element("p", {}, text));
  }
}
