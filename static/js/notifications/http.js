// Reading and commands over HTTP, where there is no socket or the page is about to go away.

import { CommandError } from "./commands.js";

const LATEST = 50;

/** Speaks to the URLs beside the feed's, with the CSRF token that Django wants for a POST. */
export class Http {
  #feed;
  #csrf;

  constructor(feed, csrf) {
    this.#feed = new URL(feed, location.href);
    this.#csrf = csrf;
  }

  /** Return the newest items of the inbox. */
  async latest() {
    return (await this.#call(`../items/?limit=${LATEST}`)).items;
  }

  /** Carry out a command of the protocol and return `{ unread, cursor }`. */
  run(type, ids = []) {
    return this.#call(`../${type.replace("_", "-")}/`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": this.#csrf },
      body: JSON.stringify({ ids }),
      keepalive: true, // a followed link leaves the page at this very moment
    });
  }

  async #call(path, options) {
    const response = await fetch(new URL(path, this.#feed), options);
    if (!response.ok) {
      throw new CommandError("http", `${response.status} ${response.url}`);
    }
    return response.json();
  }
}
