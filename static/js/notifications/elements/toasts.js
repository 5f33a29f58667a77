// The stack of toasts and the line about the connection.

import { attempt, isHidden, timely } from "../platform.js";
import { CLOSE_CODES, OTHER_USER } from "../transport/protocol.js";
import { isSafe } from "./item-view.js";
import {
  LiveRegion,
  StatusLine,
  TemplateElement,
  arrange,
  fillIn,
  stamp,
} from "./template-element.js";
import { ToastCard } from "./toast-card.js";

const SHOWN_MAX = 5;
const FRAME_MS = 50;
const FADE_MS_MAX = 1_000; // a page may animate a part for ever
const LIVE = ["online", "polling"];
const OFFLINE_PATIENCE_MS = 5_000;
const STOPPED_PATIENCE_MS = 1_000; // a log-out here closes the socket before the page goes

/** Dispatches `dismiss` (by hand) and `follow` (by the link) with `{ item }`. */
export class NotificationToasts extends TemplateElement {
  #cards = new Map(); // the oldest first
  #cameFrom;
  #polite;
  #urgent;
  #statusLine;

  connectedCallback() {
    super.connectedCallback();
    const { region, stack, state, polite, urgent } = this.parts;
    this.#polite = new LiveRegion(polite);
    this.#urgent = new LiveRegion(urgent);
    this.#statusLine ??= new StatusLine(state);
    const runClocks = () => queueMicrotask(() => this.#runClocks());
    this.on(region, "click auxclick", (event) => this.#clicked(event));
    this.on(region, "focusin", ({ relatedTarget: from }) => {
      this.#cameFrom = region.contains(from) ? this.#cameFrom : from;
    });
    // Firefox reports pointers before it knows their target.
    this.on(region, "focusin focusout mouseenter mouseleave", runClocks);
    this.on(document, "visibilitychange", runClocks);
    this.on(document, "keydown", (event) => this.#pressed(event));
    stack.replaceChildren(stack.firstElementChild); // a clone comes with its toasts
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

  /** Show an item, or its new state in its toast. */
  show(item) {
    const { id, level, title, body, count } = item;
    const card = this.#cards.get(id) ?? new ToastCard(stamp(this.parts.stack, "li"));
    const isLouder = card.item?.level !== level || card.item.count !== count;
    this.#cards.set(id, card);
    card.show(item);
    this.#arrange();
    if (isLouder) {
      const { ariaLabel } = card.element.querySelector(`.${card.level}`);
      const times = count > 1 && card.parts.times.ariaLabel;
      const text = [ariaLabel, title, times, body].filter(Boolean).join(". ");
      (level === "error" ? this.#urgent : this.#polite).announce(text);
    }
  }

  async remove(id) {
    const card = this.#cards.get(id);
    if (card) {
      this.#cards.delete(id);
      const { element } = card;
      card.stop();
      element.inert = true;
      const fades = attempt(() => element.getAnimations().map(({ finished }) => finished)) ?? [];
      await timely(Promise.allSettled(fades), FADE_MS_MAX).catch(() => {});
      element.remove();
      this.#arrange();
      // No event says that a toast left a resting pointer.
      setTimeout(() => this.#runClocks(), FRAME_MS);
    }
  }

  clear() {
    this.#cards.forEach((_, id) => this.remove(id));
  }

  /** Follow an item's URL, like the link in its toast. */
  follow(item) {
    if (isSafe(item.url)) {
      this.emit("follow", { item });
      location.assign(item.url);
    }
  }

  /** Show what a connection status means to the user, once it lasts. */
  showStatus({ status, code, reason }) {
    const rise = () => this.parts.region.hidden && this.#rise();
    if (status === "stopped") {
      const line = reason === OTHER_USER ? CLOSE_CODES.PROTOCOL : code;
      this.#statusLine.show(line, STOPPED_PATIENCE_MS, rise);
    } else if (LIVE.includes(status)) {
      this.#statusLine.show("");
    } else {
      this.#statusLine.show("offline", OFFLINE_PATIENCE_MS, rise);
    }
  }

  get #all() {
    return [...this.#cards.values()];
  }

  // Show the newest: news must not wait behind old errors.
  #arrange() {
    const { region, stack, more, count } = this.parts;
    const elements = this.#all.map(({ element }) => element);
    const waiting = elements.slice(0, -SHOWN_MAX);
    const wasHidden = region.hidden;
    waiting.forEach((element) => element.remove());
    arrange(stack, elements.slice(-SHOWN_MAX));
    more.hidden = !waiting.length;
    count.textContent = fillIn(count, waiting.length);
    region.hidden = !stack.children[1];
    if (wasHidden && !region.hidden) {
      this.#rise();
    }
    this.#runClocks();
  }

  // Above a modal dialog opened since. Outside the top layer, the z-index decides.
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
    const isHeld = isHidden() || region.matches(":hover") || this.#cardInFocus();
    this.#cards.forEach((card, id) => {
      if (isHeld || !card.element.isConnected) {
        card.stop();
      } else {
        card.start(() => this.remove(id));
      }
    });
  }

  #cardInFocus() {
    return this.#cardAt(this.shadowRoot.activeElement);
  }

  #cardAt(target) {
    return this.#all.find(({ element }) => element.contains(target));
  }

  #clicked({ target, button }) {
    const card = this.#cardAt(target);
    if (!button && card && target.closest("button")) {
      this.#dismiss(card);
    } else if (!button && target.closest("button")) {
      this.#cameFrom?.focus();
      this.#all.forEach((card) => this.#dismiss(card));
    } else if (card && button < 2 && target.closest("[href]")) {
      this.emit("follow", { item: card.item });
      this.remove(card.item.id);
    }
  }

  #pressed({ key, defaultPrevented, isComposing }) {
    const card = this.#cardInFocus() ?? this.#all.at(-1);
    if (card && key === "Escape" && !defaultPrevented && !isComposing) {
      this.#dismiss(card);
    }
  }

  // The focus goes to the next toast, and in the end back.
  #dismiss(card) {
    if (card.element.querySelector(":focus-visible")) {
      const shown = this.#all.slice(-SHOWN_MAX);
      const at = shown.indexOf(card);
      const next = shown[at - 1] ?? shown[at + 1];
      (next?.parts.close ?? this.#cameFrom)?.focus();
    }
    this.emit("dismiss", { item: card.item });
    this.remove(card.item.id);
  }
}
