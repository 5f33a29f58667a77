// One user's notifications in this tab, live: who brings the frames, and commands.

import { now } from "./platform.js";
import { Store } from "./state/store.js";
import { Http } from "./transport/http.js";
import { Poller } from "./transport/poller.js";
import { CLOSE_CODES, OTHER_USER, logOf } from "./transport/protocol.js";
import { NotificationSocket } from "./transport/socket.js";
import { Tabs } from "./transport/tabs.js";

const FAILURES_BEFORE_POLLING = 3;
const WATCHED_MS = 2_000; // a visible tab pings more often
const ASKED = ["seen", "subscribe", "unsubscribe"];

/** Follow the user's notifications without the widget; docs/widget.md has the options. */
export function connect(options) {
  const connection = new Connection(options);
  connection.open();
  return connection;
}

/** Feeds `store`; dispatches frames of the types `status`, `toast`, `message`, `error`, `seen`. */
export class Connection extends EventTarget {
  #http;
  #socket;
  #poller;
  #tabs;
  #topics = new Set();
  #status = {};
  #failures = 0;
  #wasOnline = false;
  #watchedAt = -WATCHED_MS;
  #listening;

  constructor({ socket, user, feed, csrf, csrfHeader, ...start }) {
    super();
    this.user = user;
    this.store = new Store(start);
    this.#http = new Http({ feed, user, csrf, csrfHeader }, (code) => this.#refused(code));
    this.#poller = new Poller(() => this.#readPage(), (error) => this.#polled(error));
    this.#socket = new NotificationSocket(socket, () => this.#query, {
      take: (frame) => this.#receive(frame),
      told: (status) => this.#judge(status),
    });
    this.#tabs = new Tabs(user && `notifications ${socket} ${user}`, {
      lead: () => this.#socket.open(),
      follow: () => this.#rest(),
      hear: (message) => this.#hear(message),
    });
  }

  /** `connecting`, `online`, `polling`, `offline` or `stopped`. */
  get status() {
    return this.#status.status;
  }

  // What the URL of the socket says: where the page stands, and whose it is.
  get #query() {
    const { user, store } = this;
    return user ? { ...store.position, user } : store.position;
  }

  /** Whether this is the one tab that should speak up because nobody looks at any. */
  get isUnwatched() {
    const isWatched = !document.hidden || now() - this.#watchedAt < WATCHED_MS;
    return this.#tabs.isLeading && !isWatched;
  }

  open() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(document, "visibilitychange", () => document.hidden || this.#wake());
    on(window, "online", () => this.#wake());
    on(window, "pagehide", () => this.#leave()); // for the back/forward cache
    on(window, "pageshow", ({ persisted }) => persisted && this.#tabs.join());
    this.#tabs.join();
  }

  close() {
    this.#listening.abort();
    this.#leave();
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

  /** Undo `remove`. */
  restore(ids) {
    return this.#run("restore", ids);
  }

  readAll() {
    return this.#run("read-all");
  }

  /** Load the newest items into the store. */
  async load() {
    this.store.load(await this.#http.latest());
  }

  /** Tell what was on screen; return whether there was a way. */
  seen({ u, b }) {
    return this.#ask({ type: "seen", cursor: { u, b } });
  }

  /** Join a topic by its signed name, now and after every reconnect. */
  subscribe(topic) {
    this.#topics.add(topic);
    this.#ask({ type: "subscribe", topic, ref: topic });
  }

  unsubscribe(topic) {
    this.#topics.delete(topic);
    this.#ask({ type: "unsubscribe", topic, ref: topic });
  }

  async #run(command, ids) {
    this.store.count(await this.#http.run(command, ids));
  }

  #wake() {
    if (this.#tabs.isLeading) {
      this.#socket.wake();
    } else if (this.status !== "stopped") {
      this.#tabs.ping();
      this.#catchUp();
    }
  }

  #leave() {
    this.#tabs.leave();
    this.#rest();
  }

  #rest() {
    this.#socket.close();
    this.#poller.stop();
  }

  // Only the leading tab has a socket. What it sends, a hidden tab may want to know as well.
  #ask(frame) {
    this.#tabs.post(frame);
    return this.#serve(frame);
  }

  #serve(frame) {
    this.#dispatch(frame);
    return !this.#tabs.isLeading || this.#socket.send(frame);
  }

  #hear({ isLeading, isHidden, before, ...frame }) {
    // A tab that was refused no longer wishes to lead, until another one was not refused.
    const isVain = this.status === "stopped" && /connecting|offline/.test(frame.status);
    if (frame.type === "ping") {
      this.#watchedAt = isHidden ? this.#watchedAt : now();
      this.#post(this.#status);
    } else if (ASKED.includes(frame.type)) {
      this.#serve(frame);
    } else if (isLeading && before && !isVain) {
      this.#tabs.join();
      const isBehind = this.#isBehind(before);
      if (isBehind) {
        this.#catchUp();
      }
      if (!isBehind || frame.type !== "items") {
        this.#take(frame);
      }
      // The timers of a hidden page run late, and it would be long in coming back.
      if (isHidden && !document.hidden && /connecting|offline/.test(this.status)) {
        this.#tabs.takeOver();
      }
    }
  }

  #isBehind({ epoch, u, b }) {
    const mine = this.store.position;
    return epoch && (logOf(epoch) !== logOf(mine.epoch) || u > mine.u || b > mine.b);
  }

  #catchUp() {
    this.#poller.read().catch(() => {}); // the next frame asks again
  }

  async #readPage() {
    const { position } = this.store;
    const page = await this.#http.feed(position);
    this.#bring({ ...page, type: page.reset || !position.epoch ? "welcome" : "items" });
    return page.more;
  }

  #receive(frame) {
    if (frame.type === "error" && frame.code === OTHER_USER) {
      // The socket goes by the session. Where somebody acts for the page's user, requests do not, and
      // where another user has logged in, they say so.
      this.#socket.close();
      this.#failures = FAILURES_BEFORE_POLLING;
      this.#poller.start();
    } else {
      this.#bring(frame);
    }
  }

  #bring(frame) {
    this.#post(frame);
    this.#take(frame);
  }

  #post(frame) {
    if (this.#tabs.isLeading) {
      this.#tabs.post({ ...frame, before: this.store.position });
    }
  }

  #take(frame) {
    if (frame.type === "items") {
      this.store.apply(frame);
    } else if (frame.type === "welcome") {
      this.#welcome(frame);
    } else if (frame.type !== "status") {
      this.store.follow(frame);
      this.#dispatch(frame);
    } else if (frame.status !== this.status || frame.reason === OTHER_USER) {
      this.#status = frame;
      this.#dispatch(frame);
    }
  }

  #welcome(frame) {
    this.#wasOnline = true;
    this.store.welcome(frame);
    this.#topics.forEach((topic) => this.subscribe(topic));
    if (frame.reset) {
      this.load().catch(() => {}); // without the list the page knows less; what comes still comes
    }
  }

  #dispatch(frame) {
    this.dispatchEvent(new CustomEvent(frame.type, { detail: frame }));
  }

  #judge(frame) {
    const isOffline = frame.status === "offline";
    if (isOffline && ++this.#failures >= FAILURES_BEFORE_POLLING) {
      this.#poller.start();
    } else if (!isOffline && frame.status !== "connecting") {
      this.#failures = 0;
      this.#poller.stop();
    }
    if (frame.status === "stopped") {
      this.#stop(frame.code);
    }
    if (!this.#failures || this.status !== "polling") {
      this.#bring(frame);
    }
  }

  // A changed password or a rotated key gives the session a new key, and this browser the cookie.
  #stop(code) {
    this.#tabs.resign();
    if (code === CLOSE_CODES.LOGIN_REQUIRED && this.#wasOnline) {
      this.#wasOnline = false;
      this.#poller.read().then(() => this.#tabs.join(), () => {});
    }
  }

  #polled(error) {
    if (error?.status !== 401) {
      this.#bring({ type: "status", status: error ? "offline" : "polling" });
    }
  }

  #refused(refusal) {
    const reason = refusal === OTHER_USER ? OTHER_USER : "";
    this.#wasOnline = false; // whether the session goes on has been asked
    this.#socket.close();
    this.#judge({ type: "status", status: "stopped", code: CLOSE_CODES.LOGIN_REQUIRED, reason });
  }
}
