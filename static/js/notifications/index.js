// The wiring: <notification-toasts> gets a connection, and what comes becomes toasts.

import { Connection, connect } from "./connection.js";
import { CLOSE_CODES } from "./protocol.js";
import { Seen, notBeforeSeen } from "./seen.js";
import { NotificationToasts } from "./toasts.js";

export { connect };

const OFFLINE_PATIENCE_MS = 5_000;
const STOPPED_PATIENCE_MS = 1_000; // a log-out here closes the socket before the page goes

/**
 * What `{% notifications_widget %}` puts on a page. Two events bubble from it: `notification`
 * (`{ item, previous }`; `preventDefault()` keeps the toast away) and `notification-status`.
 */
class LiveToasts extends NotificationToasts {
  #connection;
  #seen;
  #dismissed = new Map(); // id → the level it had when the user closed it
  #transients = 0;
  #statusTimer = null;
  #listening;

  connectedCallback() {
    super.connectedCallback();
    this.#connection ??= this.#makeConnection();
    const { socket } = this.#connection;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(this, "dismiss", ({ detail: { item } }) => this.#dismissed.set(item.id, item.level));
    on(this, "follow", ({ detail: { item } }) => this.#follow(item));
    on(document, "visibilitychange", () => this.#turned());
    on(window, "online", () => socket.wake());
    on(window, "pagehide", () => socket.close()); // for the back/forward cache
    on(window, "pageshow", ({ persisted }) => persisted && socket.open());
    socket.open();
  }

  disconnectedCallback() {
    this.#listening.abort();
    this.#seen.cancel();
    clearTimeout(this.#statusTimer);
    this.#connection.socket.close();
    super.disconnectedCallback();
  }

  #makeConnection() {
    const { socket, feed, csrf, epoch, u, b, unread } = this.dataset;
    const cursor = notBeforeSeen(epoch, { u: +u, b: +b });
    const connection = new Connection({ socket, feed, csrf, epoch, cursor, unread: +unread });
    this.#seen = new Seen(connection);
    const on = (target, type, act) => target.addEventListener(type, ({ detail }) => act(detail));
    on(connection.store, "change", (detail) => this.#changed(detail));
    on(connection.socket, "toast", ({ item }) => this.#showTransient(item));
    on(connection.socket, "status", (detail) => this.#statusChanged(detail));
    return connection;
  }

  #turned() {
    if (document.hidden) {
      this.#seen.cancel();
    } else {
      this.#connection.socket.wake();
      this.#seen.soon();
    }
  }

  #changed({ changes, isLive, reset }) {
    if (reset) {
      this.#dismissed.clear();
      this.clear();
    }
    if (isLive) {
      changes.forEach((change) => this.#consider(change));
    }
    this.#seen.soon();
  }

  #showTransient(item) {
    this.#consider({ item: { ...item, id: `t${++this.#transients}` } });
  }

  #consider({ item, previous }) {
    if (item.removed || item.read || Date.parse(item.expires) <= Date.now()) {
      this.remove(item.id);
      return;
    }
    const isWanted = isNews(item, previous) && this.#emit("notification", { item, previous });
    const isQuiet = this.#dismissed.get(item.id) === item.level;
    if (this.has(item.id) || (isWanted && !isQuiet)) {
      this.show(item);
    }
  }

  #follow({ id, seq }) {
    if (seq) {
      this.#connection.readOnLeaving([id]).catch(() => {}); // it stays unread, no more
    }
  }

  #statusChanged(detail) {
    this.#emit("notification-status", detail);
    if (detail.status === "online") {
      this.#tellAfter(null);
      this.tell("");
      this.#seen.soon();
    } else if (detail.status === "stopped") {
      this.#tellAfter(STOPPED_PATIENCE_MS, () => this.#tellStopped(detail.code));
    } else if (!this.#statusTimer) {
      this.#tellAfter(OFFLINE_PATIENCE_MS, () => this.tell(this.dataset.labelOffline));
    }
  }

  #tellAfter(ms, tell) {
    clearTimeout(this.#statusTimer);
    this.#statusTimer = tell ? setTimeout(tell, ms) : null;
  }

  #tellStopped(code) {
    const { labelLoggedOut, labelLogIn, labelForbidden, labelOutdated, labelReload } = this.dataset;
    if (code === CLOSE_CODES.LOGIN_REQUIRED) {
      this.tell(labelLoggedOut, { text: labelLogIn, href: this.#loginUrl() });
    } else if (code === CLOSE_CODES.FORBIDDEN) {
      this.tell(labelForbidden);
    } else {
      this.tell(labelOutdated, { text: labelReload, href: here() });
    }
  }

  #loginUrl() {
    const url = new URL(this.dataset.login, location.href);
    url.searchParams.set("next", here());
    return url.href;
  }

  #emit(type, detail) {
    const options = { detail, bubbles: true, cancelable: true };
    return this.dispatchEvent(new CustomEvent(type, options));
  }
}

function isNews(item, previous) {
  return !previous || ["level", "title", "body"].some((name) => item[name] !== previous[name]);
}

function here() {
  return location.pathname + location.search;
}

customElements.define("notification-toasts", LiveToasts);
