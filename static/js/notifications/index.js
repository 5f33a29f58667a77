// The wiring: what `{% notifications_widget %}` put on a page gets its connection.

import { Connection, connect } from "./connection.js";
import { NotificationBell } from "./elements/bell.js";
import { isSafe } from "./elements/template-element.js";
import { NotificationToasts } from "./elements/toasts.js";
import { attempt, learnTime, serverTime } from "./platform.js";
import { Desktop } from "./state/desktop.js";
import { isQuiet } from "./state/quiet-hours.js";
import { Seen, notBeforeSeen } from "./state/seen.js";
import { badgeOf } from "./state/store.js";
import { CLOSE_CODES, OTHER_USER } from "./transport/protocol.js";

export { connect };

const LIVE = ["online", "polling"];
const PATIENCE_MS = { "": 0, offline: 5_000 };
const STOPPED_PATIENCE_MS = 1_000; // a log-out here closes the socket before the page goes
const OUT_OF_DATE = `${CLOSE_CODES.PROTOCOL}`; // its line says so
const COUNT = /^\(\d+\+?\) /;

/**
 * The toasts, and the connection of the page. These events bubble from it: `notification`
 * (`{ item, previous }`; `preventDefault()` keeps the toast away), `notification-read` (`{ item }`),
 * `notification-change` (`{ unread }`) and `notification-status` (`{ status, code, reason }`).
 */
class LiveToasts extends NotificationToasts {
  #seen;
  #desktop;
  #dismissed = new Map(); // id → how loud it was when the user closed it
  #transients = 0;
  #line = "";
  #lineTimer;

  connectedCallback() {
    super.connectedCallback();
    if (!this.dataset.socket) {
      return; // nobody is logged in
    }
    this.connection ??= this.#makeConnection();
    this.on(this, "dismiss", ({ detail: { item } }) => {
      this.#dismissed.set(item.id, loudness(item));
    });
    this.on(document, "follow", ({ detail: { item } }) => this.#follow(item));
    this.on(document, "notification-open", () => this.#forget(this.connection.store.position));
    this.on(document, "visibilitychange", () => this.#seen.soon());
    const leave = () => this.#seen.leave();
    // A listener that is always there would keep the page out of Firefox's back/forward cache.
    const watch = () => {
      const signal = attempt(() => AbortSignal.timeout(5_000)); // a script may ask something first
      addEventListener("beforeunload", leave, { once: true, signal });
    };
    this.on(window, "click submit change", watch, true);
    this.connection.open();
  }

  disconnectedCallback() {
    this.#seen?.cancel();
    clearTimeout(this.#lineTimer);
    this.connection?.close();
    super.disconnectedCallback();
  }

  #makeConnection() {
    const { epoch, u, b, unread, ...options } = this.dataset;
    learnTime(options.now);
    const start = notBeforeSeen(options.user, { epoch, u: +u, b: +b });
    const connection = new Connection({ ...options, ...start, unread: +unread });
    this.#seen = new Seen(connection);
    this.#desktop = new Desktop(connection.user);
    const on = (target, type, act) => target.addEventListener(type, ({ detail }) => act(detail));
    on(connection.store, "change", (detail) => this.#changed(detail));
    on(connection, "toast", ({ item }) => this.#showTransient(item));
    on(connection, "seen", ({ cursor }) => document.hidden && this.#forget(cursor));
    on(connection, "status", (detail) => this.#statusChanged(detail));
    showCount(+unread);
    return connection;
  }

  #changed({ changes, unread, isLive, reset }) {
    if (reset) {
      this.#dismissed.clear();
      this.clear();
    }
    if (isLive) {
      changes.forEach((change) => this.#consider(change));
    }
    showCount(unread);
    this.#emit("notification-change", { unread });
    this.#seen.soon();
  }

  // It is for the tab in sight or, if there is none, for the leading one: nobody wants it late.
  #showTransient(item) {
    if (!document.hidden || this.connection.isUnwatched) {
      this.#consider({ item: { ...item, id: `t${++this.#transients}` } });
    }
  }

  #consider({ item, previous }) {
    learnTime(item.created);
    if (item.read && !previous?.read) {
      this.#emit("notification-read", { item });
    }
    if (item.removed || item.read || Date.parse(item.expires) <= serverTime(0)) {
      this.remove(item.id);
    } else if (
      isNews(item, previous) &&
      this.#emit("notification", { item, previous }) &&
      !isQuiet(item, this.dataset.quiet)
    ) {
      this.#showNews(item);
    } else if (this.has(item.id)) {
      this.show(item);
    }
  }

  #showNews(item) {
    if (this.#dismissed.get(item.id) === loudness(item)) {
      return;
    }
    this.show(item);
    if (this.connection.isUnwatched) {
      this.#desktop.show(item, () => {
        if (isSafe(item.url)) {
          this.#follow(item);
          location.assign(item.url);
        }
      });
    }
  }

  #follow({ id, seq }) {
    if (seq) {
      this.connection.read([id]).catch(() => {}); // it stays unread, no more
    }
  }

  // Another tab of this browser had it on screen, or it is in the list that opened.
  #forget(cursor) {
    const seen = this.items.filter(({ stream, seq }) => seq <= cursor[stream]);
    seen.forEach(({ id }) => this.remove(id));
  }

  #statusChanged(detail) {
    const { status, code, reason } = detail;
    this.#emit("notification-status", detail);
    if (status === "stopped") {
      this.#tellSoon(reason === OTHER_USER ? OUT_OF_DATE : `${code}`);
    } else {
      this.#tellSoon(LIVE.includes(status) ? "" : "offline");
    }
    this.#seen.soon();
  }

  #tellSoon(line) {
    if (line !== this.#line) {
      this.#line = line;
      clearTimeout(this.#lineTimer);
      this.#lineTimer = setTimeout(() => this.tell(line), PATIENCE_MS[line] ?? STOPPED_PATIENCE_MS);
    }
  }

  #emit(type, detail) {
    const options = { detail, bubbles: true, cancelable: true };
    return this.dispatchEvent(new CustomEvent(type, options));
  }
}

class LiveBell extends NotificationBell {
  constructor() {
    super();
    queueMicrotask(() => {
      this.connection = document.querySelector("notification-toasts")?.connection;
    });
  }
}

function isNews(item, previous) {
  const said = ["level", "title", "body", "count"];
  return !previous || said.some((name) => item[name] !== previous[name]);
}

function loudness({ level, count }) {
  return `${level} ${count}`;
}

function showCount(unread) {
  document.title = (unread ? `(${badgeOf(unread)}) ` : "") + document.title.replace(COUNT, "");
}

// A page that loads this module twice keeps the first.
attempt(() => customElements.define("notification-toasts", LiveToasts));
attempt(() => customElements.define("notification-bell", LiveBell));
