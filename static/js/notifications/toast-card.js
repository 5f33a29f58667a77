// One toast: its DOM, its clock and what its item says. Knows nothing of other toasts.

import { element, icon, safeUrl } from "./dom.js";
import { LEVELS } from "./protocol.js";

const LIFE_MS = { info: 6_000, success: 6_000, warning: 10_000, error: Infinity };
const LEAST_LEFT_MS = 1_500; // nothing vanishes the moment the pointer leaves it

const DISC = "M10 1.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17Z";
const TRIANGLE = "M8.5 2.4 1.3 15.1a1.7 1.7 0 0 0 1.5 2.6h14.4a1.7 1.7 0 0 0 1.5-2.6L11.5 2.4a1.7 1.7 0 0 0-3 0Z";
const OCTAGON = "M6.5 1.5h7l5 5v7l-5 5h-7l-5-5v-7Z";
const ICONS = {
  info: [DISC, "M10 9.4v4.2M10 6.4v.01"],
  success: [DISC, "m6.6 10.2 2.4 2.4 4.4-4.9"],
  warning: [TRIANGLE, "M10 7.2v4M10 14.3v.01"],
  error: [OCTAGON, "m7.4 7.4 5.2 5.2M12.6 7.4l-5.2 5.2"],
};
const CROSS = "m5.5 5.5 9 9M14.5 5.5l-9 9";

/** Shows an item; `expired` is called when its time is up. */
export class ToastCard {
  #label;
  #clock;
  #expired;
  #icon = element("span", { class: "icon", part: "icon" });
  #link = element("a", { part: "link" });
  #body = element("p", { class: "body", part: "body", dir: "auto" });
  #close = element("button", { class: "close", part: "close", type: "button" }, icon("", CROSS));
  #progress = element("progress", { part: "progress", max: 100 });

  constructor(item, label, expired) {
    this.#label = label;
    this.#expired = expired;
    const title = element("p", { class: "title", part: "title", dir: "auto" }, this.#link);
    const text = element("div", { class: "text" }, title, this.#body);
    this.element = element("li", {}, this.#icon, text, this.#close, this.#progress);
    this.show(item);
  }

  /** Show another state of the item, and start its time afresh. */
  show(item) {
    const { title, body, url, data } = item;
    const level = LEVELS.includes(item.level) ? item.level : "info";
    this.item = item;
    this.element.setAttribute("part", `toast ${level}`);
    this.element.dataset.level = level;
    const name = { role: "img", "aria-label": this.#label(level) };
    this.#icon.replaceChildren(icon(...ICONS[level], name));
    this.#link.textContent = title;
    this.#body.textContent = body;
    this.#close.ariaLabel = `${this.#label("dismiss")}: ${title}`;
    this.#showLink(safeUrl(url));
    this.#showProgress(data?.progress);
    this.#clock?.stop();
    this.#clock = new Clock(LIFE_MS[level], this.#expired);
  }

  /** Let the clock run or stop it. */
  run(isRunning) {
    this.#clock[isRunning ? "start" : "stop"]();
  }

  focus() {
    this.#close.focus();
  }

  isClose(target) {
    return this.#close.contains(target);
  }

  isLink(target) {
    return target === this.#link && target.hasAttribute("href");
  }

  #showLink(url) {
    if (url) {
      this.#link.href = url;
    } else {
      this.#link.removeAttribute("href");
    }
  }

  #showProgress(percent) {
    this.#progress.hidden = !Number.isFinite(percent);
    if (!this.#progress.hidden) {
      this.#progress.value = Math.max(0, percent);
      this.#progress.ariaLabel = this.item.title;
    }
  }
}

// Counts only the time for which it runs.
class Clock {
  #left;
  #done;
  #timer = null;
  #startedAt;

  constructor(ms, done) {
    this.#left = ms;
    this.#done = done;
  }

  start() {
    if (this.#timer === null && this.#left !== Infinity) {
      this.#startedAt = performance.now();
      this.#timer = setTimeout(this.#done, this.#left);
    }
  }

  stop() {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
      this.#left = Math.max(LEAST_LEFT_MS, this.#left - performance.now() + this.#startedAt);
    }
  }
}
