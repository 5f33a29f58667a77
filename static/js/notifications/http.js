// Lists and commands over HTTP.

import { CommandError } from "./commands.js";

const LATEST = 50;

/** Speaks to the URLs beside the feed's, with a CSRF token for POSTs. */
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

  /** Run a command and return `{ unread, cursor }`. */
  run(type, ids = []) {
    return this.#call(`../${type.replace("_", "-")}/`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": this.#csrf },
      body: JSON.stringify({ ids }),
      keepalive: true, // a followed link leaves the page right now
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
