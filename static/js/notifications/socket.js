// The transport: one WebSocket that is kept alive, resumed and spoken to. No DOM, no items.

import { Commands } from "./commands.js";
import { SERVER_FRAMES, VERSION, backoff, isFinal, waitAfter } from "./protocol.js";
import { Watchdog } from "./watchdog.js";

const WELCOME_WITHIN_MS = 20_000;
const HEARTBEAT_GRACE_MS = 5_000;
const BEHIND_GRACE_MS = 4_000;
const STABLE_MS = 30_000;
const ACK_EVERY = 64;

/**
 * Dispatches the server's frames by their type and `status` (`{ status, code, reason }`, one of
 * `connecting`, `online`, `offline`, `stopped`). `position()` tells what has been applied.
 */
export class NotificationSocket extends EventTarget {
  #url;
  #position;
  #socket = null;
  #status;
  #retries = 0;
  #retryTimer;
  #retryNotBefore = 0;
  #behindTimer;
  #onlineSince = 0;
  #unacked = 0;
  #topics = new Set();
  #commands = new Commands((frame) => this.#send(frame));
  #watchdog = new Watchdog(
    (wasProbed) => this.#closed(0, "silent", wasProbed ? 0 : null),
    () => this.run("read", []).catch(() => {}), // changes nothing, but has to be answered
  );

  constructor(url, position) {
    super();
    this.#url = url;
    this.#position = position;
  }

  get status() {
    return this.#status;
  }

  /** Connect, unless there is a connection. */
  open() {
    clearTimeout(this.#retryTimer);
    if (!this.#socket) {
      this.#connect();
    }
  }

  /** Close and stay closed until `open()`. */
  close() {
    clearTimeout(this.#retryTimer);
    this.#drop();
  }

  /** Retry at once, or make a socket that looks open prove that it is alive. */
  wake() {
    if (this.#socket) {
      this.#watchdog.probe();
    } else if (this.#status !== "stopped" && Date.now() >= this.#retryNotBefore) {
      this.open();
    }
  }

  /** Run `read`, `unread` or `remove` on ids, or `read_all`. */
  run(type, ids) {
    return ids ? this.#commands.runOn(type, ids) : this.#commands.run({ type });
  }

  /** Tell what was on screen. Return whether it could be sent. */
  seen({ u, b }) {
    return this.#send({ type: "seen", cursor: { u, b } });
  }

  /** Join a topic by its signed name, now and after every reconnect. */
  subscribe(topic) {
    this.#topics.add(topic);
    return this.#commands.run({ type: "subscribe", topic });
  }

  unsubscribe(topic) {
    this.#topics.delete(topic);
    return this.#commands.run({ type: "unsubscribe", topic });
  }

  #connect() {
    this.#tell("connecting");
    const socket = new WebSocket(this.#address());
    this.#socket = socket;
    // A dropped socket may still have events in the queue.
    const whileCurrent = (act) => (event) => socket === this.#socket && act(event);
    socket.onmessage = whileCurrent(({ data }) => this.#receive(data));
    socket.onclose = whileCurrent(({ code, reason }) => this.#closed(code, reason));
    this.#watchdog.start(WELCOME_WITHIN_MS);
  }

  #address() {
    const url = new URL(this.#url, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = new URLSearchParams({ v: VERSION, ...this.#position() });
    return url;
  }

  #receive(text) {
    this.#watchdog.heard();
    const frame = parse(text);
    if (!frame) {
      return;
    }
    this.dispatchEvent(new CustomEvent(frame.type, { detail: frame }));
    this.#acknowledge(frame); // the listeners have applied it by now
    if (frame.type === "welcome") {
      this.#welcome(frame);
    } else if (frame.type === "heartbeat") {
      this.#compare(frame.cursor);
    } else if (frame.type === "ok" || frame.type === "error") {
      this.#commands.answer(frame);
    }
  }

  #welcome({ heartbeat }) {
    this.#watchdog.allow(2_000 * heartbeat + HEARTBEAT_GRACE_MS);
    this.#onlineSince = Date.now();
    this.#tell("online");
    this.#topics.forEach((topic) => this.subscribe(topic).catch(() => {}));
  }

  #acknowledge({ type, items }) {
    this.#unacked += items?.length ?? 1;
    if (type === "heartbeat" || this.#unacked >= ACK_EVERY) {
      this.#unacked = 0;
      const { u, b } = this.#position();
      this.#send({ type: "ack", cursor: { u, b } });
    }
  }

  // What is missing may be on its way; what has not come soon after was lost.
  #compare(heads) {
    clearTimeout(this.#behindTimer);
    const resume = () => this.#isBehind(heads) && this.#closed(0, "behind", 0);
    this.#behindTimer = setTimeout(resume, BEHIND_GRACE_MS);
  }

  #isBehind(heads) {
    const { u, b } = this.#position();
    return u < heads.u || b < heads.b;
  }

  #closed(code, reason, wait = waitAfter(code)) {
    this.#drop();
    if (isFinal(code)) {
      this.#tell("stopped", code, reason);
      return;
    }
    this.#tell("offline", code, reason);
    this.#retryNotBefore = Date.now() + wait;
    this.#retryTimer = setTimeout(() => this.open(), wait ?? backoff(this.#retries++));
  }

  #drop() {
    if (this.#onlineSince && Date.now() - this.#onlineSince >= STABLE_MS) {
      this.#retries = 0;
    }
    this.#onlineSince = 0;
    this.#unacked = 0;
    clearTimeout(this.#behindTimer);
    this.#watchdog.stop();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#commands.abandon();
  }

  #tell(status, code = 0, reason = "") {
    if (status !== this.#status) {
      this.#status = status;
      this.dispatchEvent(new CustomEvent("status", { detail: { status, code, reason } }));
    }
  }

  #send(frame) {
    const isOpen = this.#socket?.readyState === WebSocket.OPEN;
    if (isOpen) {
      this.#socket.send(JSON.stringify(frame));
    }
    return isOpen;
  }
}

function parse(text) {
  try {
    const frame = JSON.parse(text);
    return SERVER_FRAMES.includes(frame?.type) ? frame : null;
  } catch {
    return null;
  }
}
