// The HTTP side of the protocol.

const LATEST = 50;

/** Calls the URLs beside the feed's; throws a refused `Response`. */
export class Http {
  #url;
  #csrf;

  constructor(feed, csrf) {
    this.#url = new URL(feed, location.href);
    this.#csrf = csrf;
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
      headers: { "Content-Type": "application/json", "X-CSRFToken": this.#csrf },
      body: JSON.stringify({ ids }),
      keepalive: true, // a followed link leaves the page right now
    });
  }

  async #call(path, options) {
    const response = await fetch(new URL(path, this.#url), options);
    if (!response.ok) {
      throw response;
    }
    this.#csrf = response.headers.get("X-CSRFToken") ?? this.#csrf; // a new log-in has a new one
    return response.json();
  }
}
