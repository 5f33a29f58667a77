// One user's notifications in this tab, live: who brings the frames, and commands.

import { isHidden, now } from "./platform.js";
import { Store } from "./state/store.js";
import { Http } from "./transport/http.js";
import { Poller } from "./transport/poller.js";
import { CLOSE_CODES, OTHER_USER, logOf } from "./transport/protocol.js";
import { NotificationSocket } from "./transport/socket.js";
import { Tabs } from "./transport/tabs.js";

const FAILURES_BEFORE_POLLING = 3;
const WATCHED_MS = 2_000; // a visible tab pings more often
const FORWARDED = ["seen", "subscribe", "unsubscribe"];

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
    this.#http = new Http({ feed, user, csrf, csrfHeader }, (code) => this.#rejectUser(code));
    this.#poller = new Poller(() => this.#readFeedPage(), (error) => this.#reportPoll(error));
    this.#socket = new NotificationSocket(socket, () => this.#query, {
      receive: (frame) => this.#receiveFromServer(frame),
      changeStatus: (status) => this.#updateStatus(status),
    });
    this.#tabs = new Tabs(user && `notifications ${socket} ${user}`, {
      lead: () => this.#socket.open(),
      follow: () => this.#disconnect(),
      receive: (message) => this.#receiveFromTab(message),
    });
  }

  /** `connecting`, `online`, `polling`, `offline` or `stopped`. */
  get status() {
    return this.#status.status;
  }

  // The query of the socket: the page's position and its user.
  get #query() {
    const { user, store } = this;
    return user ? { ...store.position, user } : store.position;
  }

  /** Whether this is the one tab that should speak up because nobody looks at any. */
  get isUnwatched() {
    const isWatched = !isHidden() || now() - this.#watchedAt < WATCHED_MS;
    return this.#tabs.isLeading && !isWatched;
  }

  open() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(document, "visibilitychange", () => isHidden() || this.#wake());
    on(window, "online", () => this.#wake());
    on(window, "pagehide", () => this.#suspend()); // for the back/forward cache
    on(window, "pageshow", ({ persisted }) => persisted && this.#tabs.join());
    this.#tabs.join();
  }

  close() {
    this.#listening.abort();
    this.#suspend();
  }

  read(ids) {
    return this.#runCommand("read", ids);
  }

  unread(ids) {
    return this.#runCommand("unread", ids);
  }

  remove(ids) {
    return this.#runCommand("remove", ids);
  }

  /** Undo `remove`. */
  restore(ids) {
    return this.#runCommand("restore", ids);
  }

  readAll() {
    return this.#runCommand("read-all");
  }

  /** Load the newest items into the store. */
  async load() {
    this.store.load(await this.#http.latest());
  }

  /** Report what was seen; return whether it was sent. */
  seen({ u, b }) {
    return this.#send({ type: "seen", cursor: { u, b } });
  }

  /** Join a topic by its signed name, now and after every reconnect. */
  subscribe(topic) {
    this.#topics.add(topic);
    this.#send({ type: "subscribe", topic, ref: topic });
  }

  unsubscribe(topic) {
    this.#topics.delete(topic);
    this.#send({ type: "unsubscribe", topic, ref: topic });
  }

  async #runCommand(command, ids) {
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

  #suspend() {
    this.#tabs.leave();
    this.#disconnect();
  }

  #disconnect() {
    this.#socket.close();
    this.#poller.stop();
  }

  // Only the leading tab has a socket; a hidden tab may want to know what it sends.
  #send(frame) {
    this.#tabs.post(frame);
    return this.#forward(frame);
  }

  #forward(frame) {
    this.#dispatch(frame);
    return !this.#tabs.isLeading || this.#socket.send(frame);
  }

  #receiveFromTab({ isLeading, isHidden: isSenderHidden, before, ...frame }) {
    // A refused tab does not compete for the lead until another tab is not refused.
    const isVain = this.status === "stopped" && /connecting|offline/.test(frame.status);
    if (frame.type === "ping") {
      this.#watchedAt = isSenderHidden ? this.#watchedAt : now();
      this.#postToTabs(this.#status);
    } else if (FORWARDED.includes(frame.type)) {
      this.#forward(frame);
    } else if (isLeading && before && !isVain) {
      this.#tabs.join();
      const isBehind = this.#isBehind(before);
      if (isBehind) {
        this.#catchUp();
      }
      if (!isBehind || frame.type !== "items") {
        this.#apply(frame);
      }
      // The timers of a hidden page run late, so it would reconnect late.
      if (isSenderHidden && !isHidden() && /connecting|offline/.test(this.status)) {
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

  async #readFeedPage() {
    const { position } = this.store;
    const page = await this.#http.feed(position);
    this.#share({ ...page, type: page.reset || !position.epoch ? "welcome" : "items" });
    return page.more;
  }

  #receiveFromServer(frame) {
    if (frame.type === "error" && frame.code === OTHER_USER) {
      // The socket uses the session. If somebody acts for the page's user, requests do not; and
      // if another user has logged in, they say so.
      this.#socket.close();
      this.#failures = FAILURES_BEFORE_POLLING;
      this.#poller.start();
    } else {
      this.#share(frame);
    }
  }

  #share(frame) {
    this.#postToTabs(frame);
    this.#apply(frame);
  }

  #postToTabs(frame) {
    if (this.#tabs.isLeading) {
      this.#tabs.post({ ...frame, before: this.store.position });
    }
  }

  #apply(frame) {
    if (frame.type === "items") {
      this.store.apply(frame);
    } else if (frame.type === "welcome") {
      this.#applyWelcome(frame);
    } else if (frame.type !== "status") {
      this.store.follow(frame);
      this.#dispatch(frame);
    } else if (frame.status !== this.status || frame.reason === OTHER_USER) {
      this.#status = frame;
      this.#dispatch(frame);
    }
  }

  #applyWelcome(frame) {
    this.#wasOnline = true;
    this.store.welcome(frame);
    this.#topics.forEach((topic) => this.subscribe(topic));
    if (frame.reset) {
      this.load().catch(() => {}); // the list is missing, but news still comes
    }
  }

  #dispatch(frame) {
    this.dispatchEvent(new CustomEvent(frame.type, { detail: frame }));
  }

  #updateStatus(frame) {
    const isOffline = frame.status === "offline";
    if (isOffline && ++this.#failures >= FAILURES_BEFORE_POLLING) {
      this.#poller.start();
    } else if (!isOffline && frame.status !== "connecting") {
      this.#failures = 0;
      this.#poller.stop();
    }
    if (frame.status === "stopped") {
      this.#stopLeading(frame.code);
    }
    if (!this.#failures || this.status !== "polling") {
      this.#share(frame);
    }
  }

  // A changed password or a rotated key gives the session a new key, and this browser the cookie.
  #stopLeading(code) {
    this.#tabs.resign();
    if (code === CLOSE_CODES.LOGIN_REQUIRED && this.#wasOnline) {
      this.#wasOnline = false;
      this.#poller.read().then(() => this.#tabs.join(), () => {});
    }
  }

  #reportPoll(error) {
    if (error?.status !== 401) {
      this.#share({ type: "status", status: error ? "offline" : "polling" });
    }
  }

  #rejectUser(refusal) {
    const reason = refusal === OTHER_USER ? OTHER_USER : "";
    this.#wasOnline = false; // whether the session goes on has been asked
    this.#socket.close();
    this.#updateStatus({ type: "status", status: "stopped", code: CLOSE_CODES.LOGIN_REQUIRED, reason });
  }
}
