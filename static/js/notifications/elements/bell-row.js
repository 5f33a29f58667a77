// A row of the bell's list.

import { attempt, locale, serverTime } from "../platform.js";
import { ItemView } from "./item-view.js";

const UNITS_S = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", -Infinity]];

/** One row; if its item was removed, it offers an undo for a while. */
export class BellRow extends ItemView {
  isRemoved = false;

  show(item) {
    const { time } = this.parts;
    const date = new Date(item.created);
    if (this.item?.seq !== item.seq) {
      this.setRemoved(false);
    }
    super.show(item);
    this.element.toggleAttribute("data-unread", !item.read);
    this.element.firstElementChild.ariaLabel = item.title;
    time.dateTime = item.created;
    time.title = attempt(() => date.toLocaleString(locale())) ?? item.created;
    time.textContent = attempt(() => ago(date)) ?? time.title;
  }

  setRemoved(isRemoved) {
    this.isRemoved = isRemoved;
    this.element.toggleAttribute("data-removed", isRemoved);
  }

  /** Return the verb of one of its buttons; without `data-verb` it is a switch. */
  verbOf(button) {
    const { verb } = button.dataset;
    return verb ?? (this.item.read ? "unread" : "read");
  }
}

// Another clock may be ahead: no future dates.
function ago(date) {
  const format = new Intl.RelativeTimeFormat(locale(), { numeric: "auto", style: "short" });
  const age = Math.max(0, serverTime() - date) / 1000;
  const [unit, size] = UNITS_S.find(([, size]) => age >= size);
  return format.format(-Math.trunc(age / size), unit);
}
