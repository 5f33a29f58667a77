// The HTTP side of the protocol.

import { learnTime, timely } from "../platform.js";

const LATEST = 50;

/**
 * Calls the URLs beside the feed's, for the page's user. Throws a refused `Response`; if it refuses
 * the user, its code goes to `refused(code)` first.
 */
export class Http {
  #url;
  #user;
  #csrf;
  #csrfHeader;
  #refused;

  constructor({ feed, user, csrf, csrfHeader }, refused) {
    this.#url = new URL(feed, location.href);
    this.#user = user;
    this.#csrf = csrf;
    this.#csrfHeader = csrfHeader || "X-CSRFToken";
    this.#refused = refused;
  }

  /** Return what came after a position. */
  feed(position) {
    return this.#call(`?${new URLSearchParams(position)}`);
  }

  /** Return the newest items. */
  async latest() {
    return (await this.#call(`../items/?limit=${LATEST}`)).items;
  }

  /** Run a command and return `{ unread, cursor }`. */
  run(name, ids = []) {
    return this.#call(`../${name}/`, {
      method: "POST",
      headers: { "Content-Type": "application/json", [this.#csrfHeader]: this.#csrf },
      body: JSON.stringify({ ids }),
      keepalive: true, // a followed link leaves the page now
    });
  }

  #call(path, options) {
    return timely(this.#request(path, options));
  }

  async #request(path, options) {
    const url = new URL(path, this.#url);
    if (this.#user) {
      url.searchParams.set("user", this.#user);
    }
    const response = await fetch(url, options);
    if (response.status === 401) {
      const answer = await response.clone().json().catch(() => ({}));
      this.#refused(answer.error?.code);
    }
    if (!response.ok) {
      throw response;
    }
    this.#csrf = response.headers.get("X-CSRFToken") ?? this.#csrf; // a new log-in has a new one
    learnTime(response.headers.get("X-Server-Time"));
    return response.json();
  }
}
