// The stack of toasts and the line about the connection.

import { attempt, timely } from "../platform.js";
import {
  TemplateElement,
  announce,
  arrange,
  fillIn,
  parts,
  stamp,
  tell,
} from "./template-element.js";
import { fill, run } from "./toast-card.js";

const SHOWN_MAX = 5;
const FRAME_MS = 50;
const FADE_MS_MAX = 1_000; // a page may animate a part for ever

/** Dispatches `dismiss` (by hand) and `follow` (by the link) with `{ item }`. */
export class NotificationToasts extends TemplateElement {
  #cards = new Map(); // the oldest first
  #cameFrom;

  connectedCallback() {
    super.connectedCallback();
    const { region, stack } = this.parts;
    const runClocks = () => queueMicrotask(() => this.#runClocks());
    this.on(region, "click auxclick", (event) => this.#clicked(event));
    this.on(region, "focusin", ({ relatedTarget: from }) => {
      this.#cameFrom = region.contains(from) ? this.#cameFrom : from;
    });
    // Firefox tells of pointers before it knows what they are over.
    this.on(region, "focusin focusout mouseenter mouseleave", runClocks);
    this.on(document, "visibilitychange", runClocks);
    this.on(document, "keydown", (event) => this.#pressed(event));
    stack.replaceChildren(stack.firstElementChild); // a cloned element comes with its toasts
    region.hidden = true;
    this.#arrange();
    this.#showMessages();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#runClocks();
  }

  // Those of django.contrib.messages.
  #showMessages() {
    for (const line of this.querySelectorAll("li")) {
      const { level } = line.dataset;
      this.show({ id: `m${this.#cards.size + 1}`, level, title: line.textContent });
      line.remove();
    }
  }

  get items() {
    return this.#all.map(({ item }) => item);
  }

  has(id) {
    return this.#cards.has(id);
  }

  /** Show an item, or its new state where its toast stands. */
  show(item) {
    const { stack, polite, urgent } = this.parts;
    const { id, level, title, body, count } = item;
    const card = this.#cards.get(id) ?? stamp(stack, "li");
    const isLouder = card.item?.level !== level || card.item.count !== count;
    this.#cards.set(id, card);
    fill(card, item);
    this.#arrange();
    if (isLouder) {
      const { ariaLabel } = card.querySelector(`.${card.dataset.level}`);
      const times = count > 1 && parts(card).times.ariaLabel;
      const text = [ariaLabel, title, times, body].filter(Boolean).join(". ");
      announce(level === "error" ? urgent : polite, text);
    }
  }

  async remove(id) {
    const card = this.#cards.get(id);
    if (card) {
      this.#cards.delete(id);
      run(card, false);
      card.inert = true;
      const fades = attempt(() => card.getAnimations().map(({ finished }) => finished)) ?? [];
      await timely(Promise.allSettled(fades), FADE_MS_MAX).catch(() => {});
      card.remove();
      this.#arrange();
      // No event tells that a toast went away from under a resting pointer.
      setTimeout(() => this.#runClocks(), FRAME_MS);
    }
  }

  clear() {
    this.#cards.forEach((_, id) => this.remove(id));
  }

  /** Show the status line of this name, as "offline" or a close code; "" takes it away. */
  tell(name) {
    const { region, state } = this.parts;
    tell(state, name);
    if (region.hidden) {
      this.#rise();
    }
  }

  get #all() {
    return [...this.#cards.values()];
  }

  // The newest are shown: news must not wait behind five old errors.
  #arrange() {
    const { region, stack, more, count } = this.parts;
    const waiting = this.#all.slice(0, -SHOWN_MAX);
    const wasHidden = region.hidden;
    waiting.forEach((card) => card.remove());
    arrange(stack, this.#all.slice(-SHOWN_MAX));
    more.hidden = !waiting.length;
    count.textContent = fillIn(count, waiting.length);
    region.hidden = !stack.children[1];
    if (wasHidden && !region.hidden) {
      this.#rise();
    }
    this.#runClocks();
  }

  // Above a modal dialog that was opened since. What is not in the top layer stands by its z-index.
  #rise() {
    if (this.isConnected) {
      attempt(() => {
        this.hidePopover();
        this.showPopover();
      });
      if (!attempt(() => this.matches(":popover-open"))) {
        this.removeAttribute("popover");
      }
    }
  }

  #runClocks() {
    const { region } = this.parts;
    const isHeld = document.hidden || region.matches(":hover") || this.#cardInFocus();
    this.#cards.forEach((card, id) =>
      run(card, !isHeld && card.isConnected, () => this.remove(id)),
    );
  }

  #cardInFocus() {
    return this.#cardAt(this.shadowRoot.activeElement);
  }

  #cardAt(target) {
    return this.#all.find((card) => card.contains(target));
  }

  #clicked({ target, button }) {
    const card = this.#cardAt(target);
    if (!button && card && target.closest("button")) {
      this.#dismiss(card);
    } else if (!button && target.closest("button")) {
      this.#cameFrom?.focus();
      this.#all.forEach((card) => this.#dismiss(card));
    } else if (card && button < 2 && target.closest("[href]")) {
      this.emit("follow", card.item);
      this.remove(card.item.id);
    }
  }

  #pressed({ key, defaultPrevented, isComposing }) {
    const card = this.#cardInFocus() ?? this.#all.at(-1);
    if (card && key === "Escape" && !defaultPrevented && !isComposing) {
      this.#dismiss(card);
    }
  }

  // A keyboard goes on with the next toast, and in the end where it came from.
  #dismiss(card) {
    if (card.querySelector(":focus-visible")) {
      const shown = this.#all.slice(-SHOWN_MAX);
      const at = shown.indexOf(card);
      const next = shown[at - 1] ?? shown[at + 1];
      (next?.querySelector("button") ?? this.#cameFrom)?.focus();
    }
    this.emit("dismiss", card.item);
    this.remove(card.item.id);
  }
}
