// The wiring: what `{% notifications_widget %}` put on a page gets its connection.

import { Connection, connect } from "./connection.js";
import { NotificationBell } from "./elements/bell.js";
import { NotificationToasts } from "./elements/toasts.js";
import { attempt, learnTime } from "./platform.js";
import { page } from "./state/current-connection.js";
import { Seen, notBeforeSeen } from "./state/seen.js";
import { badgeOf } from "./state/store.js";
import { ToastPolicy } from "./state/toast-policy.js";

export { connect };

const COUNT = /^\(\d+\+?\) /;

/**
 * The toasts, which bring the page its connection. These events bubble from it: `notification`
 * (`{ item, previous }`; `preventDefault()` keeps the toast away), `notification-read` (`{ item }`),
 * `notification-change` (`{ unread }`) and `notification-status` (`{ status, code, reason }`).
 */
class ConnectedToasts extends NotificationToasts {
  connection;
  #policy;
  #seen;

  connectedCallback() {
    super.connectedCallback();
    if (!this.dataset.socket) {
      return; // nobody is logged in
    }
    this.connection ??= this.#connect();
    const { store } = this.connection;
    this.on(document, "notification-open", () => this.#policy.removeSeen(store.position));
    this.on(document, "visibilitychange", () => this.#seen.soon());
    this.on(window, "click submit change", (event) => this.#seen.expectLeaving(event), true);
    this.connection.open();
    page.use(this.connection);
  }

  disconnectedCallback() {
    this.#seen?.cancel();
    this.connection?.close();
    super.disconnectedCallback();
  }

  #connect() {
    const { epoch, u, b, unread, quiet, now, ...options } = this.dataset;
    learnTime(now);
    const start = notBeforeSeen(options.user, { epoch, u: +u, b: +b });
    const connection = new Connection({ ...options, ...start, unread: +unread });
    this.#policy = new ToastPolicy(connection, this, quiet);
    connection.store.addEventListener("change", ({ detail: { unread } }) => {
      showCount(unread);
      this.emit("notification-change", { unread });
    });
    connection.addEventListener("status", ({ detail }) => {
      this.emit("notification-status", detail);
      this.showStatus(detail);
    });
    this.addEventListener("follow", ({ detail: { item } }) => {
      if (item.seq) {
        connection.read([item.id]).catch(() => {}); // it just stays unread
      }
    });
    this.#seen = new Seen(connection);
    showCount(+unread);
    return connection;
  }
}

function showCount(unread) {
  document.title = (unread ? `(${badgeOf(unread)}) ` : "") + document.title.replace(COUNT, "");
}

// A page that loads this module twice keeps the first.
attempt(() => customElements.define("notification-toasts", ConnectedToasts));
attempt(() => customElements.define("notification-bell", NotificationBell));
