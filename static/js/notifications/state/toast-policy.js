// Which items get a toast, and when it goes.

import { isHidden, learnTime, serverTime } from "../platform.js";
import { Desktop } from "./desktop.js";
import { isQuiet } from "./quiet-hours.js";

const NOTICED = ["level", "title", "body", "count"];

/** Shows new items of a connection as `toasts` and, if all tabs are hidden, on the desktop. */
export class ToastPolicy {
  #connection;
  #toasts;
  #quietHours;
  #desktop;
  #dismissed = new Map(); // id → how loud it was when the user closed it
  #transients = 0;

  constructor(connection, toasts, quietHours) {
    this.#connection = connection;
    this.#toasts = toasts;
    this.#quietHours = quietHours;
    this.#desktop = new Desktop(connection.user);
    const on = (target, type, act) => target.addEventListener(type, ({ detail }) => act(detail));
    on(connection.store, "change", (change) => this.#follow(change));
    on(connection, "toast", ({ item }) => this.#showTransient(item));
    on(connection, "seen", ({ cursor }) => isHidden() && this.removeSeen(cursor));
    on(toasts, "dismiss", ({ item }) => this.#dismissed.set(item.id, loudness(item)));
  }

  /** Remove the toasts up to a position: another tab or the list under the bell has shown them. */
  removeSeen(cursor) {
    const seen = this.#toasts.items.filter(({ stream, seq }) => seq <= cursor[stream]);
    seen.forEach(({ id }) => this.#toasts.remove(id));
  }

  #follow({ changes, isLive, reset }) {
    if (reset) {
      this.#dismissed.clear();
      this.#toasts.clear();
    }
    if (isLive) {
      changes.forEach((change) => this.#consider(change));
    }
  }

  // For the visible tab or, if there is none, the leading one: late it is no use.
  #showTransient(item) {
    if (!isHidden() || this.#connection.isUnwatched) {
      this.#consider({ item: { ...item, id: `t${++this.#transients}` } });
    }
  }

  #consider(change) {
    const { item, previous } = change;
    learnTime(item.created);
    if (item.read && !previous?.read) {
      this.#toasts.emit("notification-read", { item });
    }
    if (item.removed || item.read || Date.parse(item.expires) <= serverTime(0)) {
      this.#toasts.remove(item.id);
    } else if (
      isNews(change) &&
      this.#toasts.emit("notification", change) &&
      !isQuiet(item, this.#quietHours) &&
      this.#dismissed.get(item.id) !== loudness(item)
    ) {
      this.#show(item);
    } else if (this.#toasts.has(item.id)) {
      this.#toasts.show(item);
    }
  }

  #show(item) {
    this.#toasts.show(item);
    if (this.#connection.isUnwatched) {
      this.#desktop.show(item, () => this.#toasts.follow(item));
    }
  }
}

function isNews({ item, previous }) {
  return !previous || NOTICED.some((name) => item[name] !== previous[name]);
}

function loudness({ level, count }) {
  return `${level} ${count}`;
}
