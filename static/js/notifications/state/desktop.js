// The browser's own notifications while all tabs are hidden; asked for on a click.

import { attempt, recall, remember } from "../platform.js";

/** One user's choice in this browser. */
export class Desktop {
  #user;

  constructor(user) {
    this.#user = user;
  }

  /** "on", "off", "denied" by the user, or "none" where there is no such thing. */
  get state() {
    const permission = `${attempt(() => Notification.permission) ?? "none"}`;
    const isOn = permission === "granted" && recall(this.#key);
    return isOn ? "on" : permission.replace(/granted|default/, "off");
  }

  async toggle() {
    const isWanted = this.state === "off";
    remember(this.#key, isWanted);
    if (isWanted) {
      // Older browsers have a callback, no promise.
      await new Promise((done) => Notification.requestPermission(done)?.then(done, done));
    }
  }

  /** Show an item; a click brings the tab to the front and calls `follow`. */
  show({ id, title, body }, follow) {
    if (this.state === "on") {
      // Android refuses: it shows those of service workers only.
      attempt(() => {
        const shown = new Notification(title, { body, tag: `${this.#user} ${id}` });
        shown.onclick = () => {
          window.focus();
          shown.close();
          follow();
        };
      });
    }
  }

  get #key() {
    return `notifications-desktop ${this.#user}`;
  }
}
