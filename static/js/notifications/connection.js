// One user's notifications, live: the socket feeds the store, commands go out. No DOM.

import { Http } from "./http.js";
import { CLOSE_CODES } from "./protocol.js";
import { NotificationSocket } from "./socket.js";
import { Store } from "./store.js";

/**
 * Follow the user's notifications without the widget. `socket` and `feed` are URLs, `csrf` the token
 * for commands over HTTP; `epoch`, `cursor` and `unread` say where to start, by default at the
 * present. Listen to its `socket` and `store`; `socket.close()` ends it.
 */
export function connect(options) {
  const connection = new Connection(options);
  connection.socket.open();
  return connection;
}

/** A socket that feeds a store, and commands that go over HTTP where the socket is down. */
export class Connection {
  #http;
  #wasOnline = false;

  constructor({ socket, feed, csrf, ...start }) {
    this.#http = new Http(feed, csrf);
    this.store = new Store(start);
    this.socket = new NotificationSocket(socket, () => this.store.position);
    this.socket.addEventListener("welcome", ({ detail }) => this.#welcome(detail));
    this.socket.addEventListener("status", ({ detail }) => this.#statusChanged(detail));
    this.socket.addEventListener("items", ({ detail }) => this.store.apply(detail));
  }

  read(ids) {
    return this.#run("read", ids);
  }

  unread(ids) {
    return this.#run("unread", ids);
  }

  remove(ids) {
    return this.#run("remove", ids);
  }

  readAll() {
    return this.#run("read_all");
  }

  /** Mark as read while the page goes away and closes its socket. */
  async readOnLeaving(ids) {
    this.store.count(await this.#http.run("read", ids));
  }

  async #run(type, ids) {
    try {
      await this.socket.run(type, ids);
    } catch (error) {
      if (error.code !== "offline") {
        throw error;
      }
      this.store.count(await this.#http.run(type, ids));
    }
  }

  // A changed password or a rotated key gives the session a new key, and this browser the cookie.
  #statusChanged({ code }) {
    if (code === CLOSE_CODES.LOGIN_REQUIRED && this.#wasOnline) {
      this.#wasOnline = false;
      this.#http.latest().then(() => this.socket.open(), () => {});
    }
  }

  #welcome(frame) {
    this.#wasOnline = true;
    this.store.welcome(frame);
    if (frame.reset) {
      // Without the list the page knows less; what comes still comes.
      this.#http.latest().then((items) => this.store.load(items), () => {});
    }
  }
}
