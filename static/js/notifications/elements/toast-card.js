// The text of a toast and its time.

import { now } from "../platform.js";
import { ItemView } from "./item-view.js";
import { fillIn } from "./template-element.js";

const LEAST_LEFT_MS = 1_500; // not gone the moment the pointer leaves it
const LIFE_MS = { info: 6_000, success: 6_000, warning: 10_000, error: 2 ** 31 - 1 };

/** One toast with its clock, which `start()` starts. */
export class ToastCard extends ItemView {
  #leftMs;
  #startedAt;
  #timer;

  /** Show an item for its whole time. */
  show(item) {
    super.show(item);
    const { close, progress } = this.parts;
    const percent = item.data?.progress;
    this.element.setAttribute("part", `toast ${this.level}`);
    close.ariaLabel = fillIn(close, item.title);
    progress.hidden = !Number.isFinite(percent);
    progress.value = +percent || 0;
    progress.ariaLabel = item.title;
    this.stop();
    this.#leftMs = LIFE_MS[this.level];
  }

  /** Start the clock; call `expired` when time is up. */
  start(expired) {
    if (!this.#timer) {
      this.#startedAt = now();
      this.#timer = setTimeout(expired, this.#leftMs);
    }
  }

  stop() {
    if (this.#timer) {
      clearTimeout(this.#timer);
      this.#timer = 0;
      this.#leftMs = Math.max(LEAST_LEFT_MS, this.#leftMs - now() + this.#startedAt);
    }
  }
}
