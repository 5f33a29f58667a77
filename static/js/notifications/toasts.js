// The stack of toasts and the line about the connection. What deserves a toast, index.js decides.

import { Announcer } from "./announcer.js";
import { element } from "./dom.js";
import { fade, glide } from "./motion.js";
import { ToastCard } from "./toast-card.js";

const SHOWN_MAX = 5;

/**
 * Takes its texts from `data-label-…`, its looks from `data-style`. Dispatches `dismiss` (by hand)
 * and `follow` (by the link) with `{ item }`.
 */
export class NotificationToasts extends HTMLElement {
  #cards = new Map(); // all toasts, the oldest first
  #stack = element("ol", { part: "stack" });
  #count = element("span");
  #clear = element("button", { part: "clear", type: "button" });
  #more = element("div", { class: "more", part: "more" }, this.#count, this.#clear);
  #region = element("section", { hidden: "" }, this.#more, this.#stack);
  #status = element("div", { class: "status", role: "status" });
  #polite = new Announcer("status", (n) => this.#label("many", n));
  #urgent = new Announcer("alert", (n) => this.#label("many", n));
  #isUnderPointer = false;
  #cameFrom = null;
  #listening;

  connectedCallback() {
    if (!this.shadowRoot) {
      this.#build();
    }
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(this.#clear, "click", () => this.#dismissAll());
    on(this.#stack, "click", (event) => this.#clicked(event));
    on(this.#stack, "auxclick", (event) => event.button === 1 && this.#clicked(event));
    on(this.#region, "pointerenter", () => this.#hover(true));
    on(this.#region, "pointerleave", () => this.#hover(false));
    on(this.#region, "focusin", (event) => this.#focused(event));
    on(this.#region, "focusout", () => queueMicrotask(() => this.#runClocks()));
    on(document, "visibilitychange", () => this.#runClocks());
    on(document, "keydown", (event) => this.#pressed(event));
    this.#runClocks();
  }

  disconnectedCallback() {
    this.#listening.abort();
    this.#cards.forEach((card) => card.run(false));
  }

  has(id) {
    return this.#cards.has(id);
  }

  /** Show an item, or its new state where its toast stands. */
  show(item) {
    const card = this.#cards.get(item.id);
    const isLouder = card?.item.level !== item.level;
    if (card) {
      card.show(item);
      this.#runClocks();
    } else {
      this.#add(item);
    }
    if (isLouder) {
      this.#announce(item);
    }
  }

  /** Take a toast away. */
  async remove(id) {
    const card = this.#cards.get(id);
    if (!card) {
      return;
    }
    this.#cards.delete(id);
    card.run(false);
    card.element.inert = true;
    await fade(card.element);
    glide(this.#stack, () => {
      card.element.remove();
      this.#arrange();
    });
    this.#recheckPointer();
  }

  clear() {
    [...this.#cards.keys()].forEach((id) => this.remove(id));
  }

  /** Show a quiet line, perhaps with a link `{ text, href }`; no text takes it away. */
  tell(text, link) {
    const line = element("p", { part: "status" }, text ?? "");
    if (link) {
      line.append(" ", element("a", { part: "status-link", href: link.href }, link.text));
    }
    this.#status.replaceChildren(...(text ? [line] : []));
  }

  // Without its stylesheet a list would flash up in the page.
  #build() {
    const sheet = element("link", { rel: "stylesheet", href: this.dataset.style });
    const root = this.attachShadow({ mode: "open" });
    sheet.onload = sheet.onerror = () =>
      root.append(this.#region, this.#status, this.#polite.element, this.#urgent.element);
    root.append(sheet);
    this.#region.ariaLabel = this.#label("region");
    this.#clear.textContent = this.#label("clear");
  }

  #add(item) {
    const label = (name) => this.#label(name);
    this.#cards.set(item.id, new ToastCard(item, label, () => this.remove(item.id)));
    glide(this.#stack, () => this.#arrange());
  }

  // The newest are shown: news must not wait behind five old errors.
  #arrange() {
    const cards = [...this.#cards.values()];
    const waiting = cards.slice(0, -SHOWN_MAX);
    waiting.forEach((card) => card.element.remove());
    let next = null;
    for (const card of cards.slice(-SHOWN_MAX).reverse()) {
      if (!card.element.parentNode) {
        this.#stack.insertBefore(card.element, next);
      }
      next = card.element;
    }
    this.#region.hidden = !this.#stack.childElementCount;
    this.#more.hidden = !waiting.length;
    this.#count.textContent = this.#label("more", waiting.length);
    this.#runClocks();
  }

  #runClocks() {
    const isHeld = document.hidden || this.#isUnderPointer || this.#focusedCard();
    this.#cards.forEach((card) => card.run(!isHeld && card.element.isConnected));
  }

  #hover(isUnderPointer) {
    this.#isUnderPointer = isUnderPointer;
    this.#runClocks();
  }

  // No event tells that a toast went away from under a resting pointer.
  #recheckPointer() {
    if (this.#isUnderPointer) {
      requestAnimationFrame(() => this.#hover(this.#region.matches(":hover")));
    }
  }

  #focused({ relatedTarget }) {
    if (!this.#region.contains(relatedTarget)) {
      this.#cameFrom = relatedTarget;
    }
    this.#runClocks();
  }

  #focusedCard() {
    const focused = this.shadowRoot.activeElement;
    return focused && this.#cardAt(focused);
  }

  #cardAt(target) {
    return [...this.#cards.values()].find((card) => card.element.contains(target));
  }

  #clicked({ target, button }) {
    const card = this.#cardAt(target);
    if (card?.isClose(target) && !button) {
      this.#dismiss(card);
    } else if (card?.isLink(target)) {
      this.#emit("follow", card);
      this.remove(card.item.id);
    }
  }

  #pressed({ key, defaultPrevented, isComposing }) {
    const card = this.#focusedCard() ?? [...this.#cards.values()].at(-1);
    if (card && key === "Escape" && !defaultPrevented && !isComposing) {
      this.#dismiss(card);
    }
  }

  #dismiss(card) {
    this.#passFocusOn(card);
    this.#emit("dismiss", card);
    this.remove(card.item.id);
  }

  #dismissAll() {
    this.#cameFrom?.focus();
    this.#cards.forEach((card) => this.#emit("dismiss", card));
    this.clear();
  }

  // A keyboard goes on with the next toast, and in the end where it came from.
  #passFocusOn(card) {
    if (card.element.querySelector(":focus-visible")) {
      const shown = [...this.#cards.values()].slice(-SHOWN_MAX);
      const at = shown.indexOf(card);
      (shown[at - 1] ?? shown[at + 1] ?? this.#cameFrom)?.focus();
    }
  }

  #announce({ level, title, body }) {
    const text = [this.#label(level), title, body].filter(Boolean).join(". ");
    (level === "error" ? this.#urgent : this.#polite).say(text);
  }

  #label(name, n) {
    return this.getAttribute(`data-label-${name}`)?.replace("{n}", n) ?? "";
  }

  #emit(type, { item }) {
    this.dispatchEvent(new CustomEvent(type, { detail: { item } }));
  }
}
