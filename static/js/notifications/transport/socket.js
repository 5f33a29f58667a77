// The transport: one WebSocket that is kept alive and resumed. No DOM, no items.

import { attempt, now } from "../platform.js";
import { SERVER_FRAMES, VERSION, backoff, between, isFinal, waitAfter } from "./protocol.js";

const WELCOME_WITHIN_MS = 20_000;
const ANSWER_WITHIN_MS = 3_000;
const HEARTBEAT_GRACE_MS = 5_000;
const BEHIND_GRACE_MS = 4_000;
const STABLE_MS = 30_000;
const ACK_EVERY = 64;
const OPEN = 1; // WebSocket.OPEN, missing if there are no sockets

/**
 * Calls `receive(frame)`, and `changeStatus({ status, code, reason })` for `connecting`, `online`,
 * `offline` and `stopped`. `query()` returns the applied position as `u` and `b`, and the rest
 * of the URL's query.
 */
export class NotificationSocket {
  #url;
  #query;
  #on;
  #socket = null;
  #timer; // for silence on a socket, else for the next try
  #behindTimer;
  #patienceMs;
  #retries = 0;
  #retryNotBefore = 0;
  #onlineSince = Infinity;
  #unacked = 0;

  constructor(url, query, on) {
    this.#url = url;
    this.#query = query;
    this.#on = on;
  }

  /** Connect, unless there is a connection. */
  open() {
    if (!this.#socket) {
      this.#connect();
    }
  }

  /** Close and stay closed until `open()`. */
  close() {
    clearTimeout(this.#timer);
    clearTimeout(this.#behindTimer);
    if (now() - this.#onlineSince >= STABLE_MS) {
      this.#retries = 0;
    }
    this.#onlineSince = Infinity;
    this.#unacked = 0;
    const socket = this.#socket;
    this.#socket = null;
    attempt(() => socket?.close());
  }

  /** Retry at once, or make a socket that looks open prove that it is alive. */
  wake() {
    if (this.#socket) {
      this.#probe(0);
    } else if (now() >= this.#retryNotBefore) {
      this.open();
    }
  }

  /** Send a frame; return whether it was possible. */
  send(frame) {
    const isOpen = this.#socket?.readyState === OPEN;
    if (isOpen) {
      attempt(() => this.#socket.send(JSON.stringify(frame)));
    }
    return isOpen;
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#changeStatus("connecting");
    const url = new URL(this.#url, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = new URLSearchParams({ v: VERSION, ...this.#query() });
    const socket = (this.#socket = attempt(() => new WebSocket(url)));
    if (!socket) {
      this.#closed(0, "refused"); // by the page's policy
      return;
    }
    // A dropped socket may still have events in the queue.
    const whileCurrent = (act) => (event) => socket === this.#socket && act(event);
    socket.onmessage = whileCurrent(({ data }) => this.#receive(data));
    socket.onclose = whileCurrent(({ code, reason }) => this.#closed(code, reason));
    this.#patienceMs = WELCOME_WITHIN_MS;
    this.#expectFrame();
  }

  #expectFrame() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#probe(), this.#patienceMs);
  }

  // A late timer proves no silence: a command that changes nothing still has to be answered.
  #probe(wait = null) {
    this.send({ type: "read", ids: [] });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#closed(0, "silent", wait), ANSWER_WITHIN_MS);
  }

  #receive(text) {
    this.#expectFrame();
    const frame = attempt(() => JSON.parse(text));
    if (SERVER_FRAMES.includes(frame?.type)) {
      this.#on.receive(frame);
      this.#acknowledge(frame);
    }
  }

  #acknowledge({ type, items, heartbeat, cursor }) {
    this.#unacked += items?.length ?? 1;
    if (type === "welcome") {
      this.#patienceMs = 2_000 * heartbeat + HEARTBEAT_GRACE_MS;
      this.#onlineSince = now();
      this.#expectFrame();
      this.#changeStatus("online");
    }
    if (type === "heartbeat") {
      this.#compare(cursor);
    }
    if (type === "heartbeat" || this.#unacked >= ACK_EVERY) {
      this.#unacked = between(0, ACK_EVERY / 2); // not all clients after the same broadcast
      const { u, b } = this.#query();
      this.send({ type: "ack", cursor: { u, b } });
    }
  }

  // A frame may be on its way; one that does not come soon was lost.
  #compare(heads) {
    clearTimeout(this.#behindTimer);
    this.#behindTimer = setTimeout(() => {
      const { u, b } = this.#query();
      if (u < heads.u || b < heads.b) {
        this.#closed(0, "behind", 0);
      }
    }, BEHIND_GRACE_MS);
  }

  #closed(code, reason, wait = waitAfter(code)) {
    this.close();
    const isOver = isFinal(code);
    this.#retryNotBefore = isOver ? Infinity : now() + wait;
    if (!isOver) {
      this.#timer = setTimeout(() => this.open(), wait ?? backoff(this.#retries++));
    }
    this.#changeStatus(isOver ? "stopped" : "offline", code, reason);
  }

  #changeStatus(status, code = 0, reason = "") {
    this.#on.changeStatus({ type: "status", status, code, reason });
  }
}
