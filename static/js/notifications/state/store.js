// The page's items by id, unread count and position. No DOM and no network.

import { logOf } from "../transport/protocol.js";

const ITEMS_MAX = 200;
const BADGE_MAX = 99;

/**
 * Dispatches `change` with `{ changes, unread, isLive, reset }`: each change is `{ item, previous }`;
 * a loaded list is not live. Tombstones stay, or a slow answer could revive removed items.
 */
export class Store extends EventTarget {
  #items = new Map();
  #epoch;
  #cursor;
  #unread;

  /** Start at a cursor or, without an epoch, where the first `welcome` says. */
  constructor({ epoch, cursor = { u: 0, b: 0 }, unread = 0 } = {}) {
    super();
    this.#restart(epoch, cursor);
    this.#unread = unread;
  }

  get unread() {
    return this.#unread;
  }

  /** Where a connection resumes, as `{ epoch, u, b }`; empty while unknown. */
  get position() {
    return this.#epoch ? { epoch: this.#epoch, ...this.#cursor } : {};
  }

  get(id) {
    return this.#items.get(id);
  }

  /** The items, the newest text first. */
  list() {
    return [...this.#items.values()].filter((item) => !item.removed).sort(byAge);
  }

  /** Take a `welcome`; on a reset drop everything. */
  welcome({ epoch, cursor, unread, reset }) {
    if (reset || !this.#epoch) {
      this.#restart(epoch, cursor);
    }
    this.follow({ epoch, cursor });
    this.#tell([], unread, { reset });
  }

  /** Take the epoch of a frame, unless it is behind the cursor. */
  follow({ epoch, cursor }) {
    if (epoch && logOf(epoch) === logOf(this.#epoch) && !isBefore(cursor, this.#cursor)) {
      this.#epoch = epoch;
    }
  }

  /** Apply an `items` frame, except what the cursor covers. */
  apply({ items, cursor, unread, epoch }) {
    this.follow({ epoch, cursor });
    const isOld = isBefore(cursor, this.#cursor);
    const changes = items.filter((item) => this.#advance(item)).map((item) => this.#put(item));
    this.#cursor = latest(this.#cursor, cursor);
    const count = unread ?? this.#unread + changes.reduce(addUnread, 0);
    this.#tell(changes, isOld ? this.#unread : count, { isLive: true });
  }

  /** Add items from HTTP, except those past the cursor: the socket brings them. */
  load(items) {
    const known = items.filter((item) => item.seq <= this.#cursor[item.stream]);
    const newer = known.filter((item) => this.#isNewer(item));
    this.#tell(newer.map((item) => this.#put(item)));
  }

  /** Take an unread count from HTTP, unless the socket was faster. */
  count({ unread, cursor }) {
    if (!isBefore(cursor, this.#cursor)) {
      this.#tell([], unread);
    }
  }

  #restart(epoch, { u, b }) {
    this.#items.clear();
    this.#epoch = epoch;
    this.#cursor = { u, b };
  }

  #advance({ stream, seq }) {
    const isNew = seq > this.#cursor[stream];
    if (isNew) {
      this.#cursor[stream] = seq;
    }
    return isNew;
  }

  #isNewer({ id, stream, seq }) {
    const held = this.#items.get(id);
    return !held || (held.stream === stream && held.seq < seq);
  }

  #put(item) {
    const previous = this.#items.get(item.id);
    this.#items.delete(item.id); // the last changed is last
    this.#items.set(item.id, item);
    if (this.#items.size > ITEMS_MAX) {
      this.#items.delete(this.#items.keys().next().value);
    }
    return { item, previous };
  }

  #tell(changes, unread = this.#unread, about = {}) {
    this.#unread = Math.max(0, unread);
    const detail = { changes, unread: this.#unread, ...about };
    this.dispatchEvent(new CustomEvent("change", { detail }));
  }
}

/** Return an unread count as a badge shows it. */
export function badgeOf(unread) {
  return unread > BADGE_MAX ? `${BADGE_MAX}+` : `${unread}`;
}

function byAge(a, b) {
  const number = ({ id }) => id.slice(1);
  return b.created.localeCompare(a.created) || number(b) - number(a);
}

function addUnread(sum, { item, previous }) {
  return sum + isUnread(item) - isUnread(previous);
}

function isUnread(item) {
  return item && !item.read && !item.removed ? 1 : 0;
}

function isBefore(a, b) {
  return a.u < b.u || a.b < b.b;
}

function latest(a, b) {
  return { u: Math.max(a.u, b.u), b: Math.max(a.b, b.b) };
}
