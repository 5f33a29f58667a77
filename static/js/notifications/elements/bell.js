// The bell and its drop-down. In the markup, `data-verb` says what a button does.

import { attempt, locale, serverTime } from "../platform.js";
import { Desktop } from "../state/desktop.js";
import { badgeOf } from "../state/store.js";
import { Menu } from "./menu.js";
import {
  TemplateElement,
  announce,
  arrange,
  fillIn,
  parts,
  say,
  stamp,
  tell,
} from "./template-element.js";

const ROWS_MAX = 20;
const REFRESH_MS = 30_000;
const UNITS_S = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", -Infinity]];

/** Is a link until it has a `connection`. Dispatches `follow` with `{ item }`. */
export class NotificationBell extends TemplateElement {
  #connection;
  #desktop;
  #menu;
  #status = "loading";
  #timer;

  set connection(connection) {
    this.#connection = connection;
    this.#desktop = new Desktop(connection?.user);
    if (this.isConnected) {
      this.disconnectedCallback();
      this.connectedCallback();
    }
  }

  connectedCallback() {
    super.connectedCallback();
    const { panel } = this.parts;
    if (!this.#connection) {
      return;
    }
    if (panel.showPopover) {
      this.#menu = new Menu(panel);
      this.#becomeButton();
      // Complete before it shows: the keys that open it go to its first or its last line.
      this.on(panel, "beforetoggle", ({ newState }) => newState === "open" && this.#arrange());
      this.on(panel, "toggle", ({ newState }) => this.#toggled(newState === "open"));
      this.on(panel, "keydown", (event) => this.#pressed(event));
      this.on(panel, "click auxclick", (event) => this.#clicked(event));
      this.on(panel, "animationend", ({ target }) => this.#settle(target.closest("[part=row]")));
    }
    this.on(this.#connection.store, "change", () => this.#render());
    this.#render();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#toggled(false);
  }

  #becomeButton() {
    const { bell, panel } = this.parts;
    bell.hidden = false; // the stylesheet hides the link now
    if (this.shadowRoot.activeElement) {
      bell.focus();
    }
    this.on(bell, "keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        attempt(() => panel.showPopover());
      }
      if (event.key === "ArrowUp") {
        this.#menu.focusLast();
      }
    });
  }

  #hide() {
    attempt(() => this.parts.panel.hidePopover());
  }

  #toggled(isOpen) {
    const { bell, panel } = this.parts;
    bell.ariaExpanded = isOpen;
    clearInterval(this.#timer);
    this.#rows.forEach((row) => row.removeAttribute("data-removed"));
    if (isOpen) {
      this.emit("notification-open");
      this.#timer = setInterval(() => this.#render(), REFRESH_MS);
      if (!panel.contains(this.shadowRoot.activeElement)) {
        panel.focus();
      }
      this.#load();
    }
  }

  async #load() {
    const { spoken, state } = this.parts;
    this.#status &&= "loading";
    this.#render();
    this.#status = await this.#connection.load().then(() => "", () => "error");
    this.#render();
    announce(spoken, state.textContent);
  }

  #render() {
    const { bell, content, inbox, panel } = this.parts;
    const { unread } = this.#connection.store;
    for (const badge of this.shadowRoot.querySelectorAll("[part=badge]")) {
      badge.hidden = !unread;
      badge.textContent = badgeOf(unread);
    }
    bell.ariaLabel = inbox.ariaLabel = unread ? fillIn(bell, unread) : panel.ariaLabel;
    if (bell.ariaExpanded === "true") {
      this.#menu.keepFocus(content, () => this.#arrange());
    }
  }

  #arrange() {
    const { all, desktop: button, list, state } = this.parts;
    const { store } = this.#connection;
    const shown = store.list().slice(0, ROWS_MAX).map((item) => this.#row(item));
    const gone = this.#rows.filter((row) => !shown.includes(row) && !row.matches("[data-removed]"));
    gone.forEach((row) => row.remove());
    arrange(list, shown);
    all.ariaDisabled = !store.unread;
    button.dataset.state = this.#desktop.state;
    button.hidden = !["on", "off"].includes(this.#desktop.state);
    tell(state, this.#rows.length && this.#status !== "error" ? "" : this.#status || "empty");
  }

  get #rows() {
    return [...this.parts.list.children].slice(1); // behind the template
  }

  #row(item) {
    const { id, seq, created, read, title } = item;
    const row = this.#rows.find((row) => row.item.id === id) ?? stamp(this.parts.list, "div");
    const { time, toggle } = parts(row);
    if (row.item?.seq !== seq) {
      row.removeAttribute("data-removed");
    }
    say(row, item);
    row.toggleAttribute("data-unread", !read);
    row.firstElementChild.ariaLabel = title;
    toggle.dataset.verb = read ? "unread" : "read";
    showTime(time, created);
    return row;
  }

  #clicked({ target, button, ctrlKey, metaKey }) {
    const choice = target.closest("[role=menuitem]");
    const row = target.closest("[part=row]");
    if (choice?.href && button < 2) {
      if (row) {
        this.emit("follow", row.item);
      }
      if (!button && !ctrlKey && !metaKey) {
        this.#hide();
      }
    } else if (choice && !button) {
      this.#act(choice.dataset.verb, row);
    }
  }

  #act(verb, row) {
    if (verb === "load") {
      this.#load();
    } else if (verb === "toggle") {
      const render = () => this.#render();
      this.#desktop.toggle().then(render, render);
    } else {
      this.#command(verb, row);
    }
  }

  // What it changes comes by the store; only a removed row stays for its undo.
  #command(verb, row) {
    const { spoken } = this.parts;
    if (verb === "remove") {
      row.dataset.removed = "";
      announce(spoken, fillIn(spoken, 1));
      this.#render();
    }
    this.#connection[verb](row && [row.item.id]).catch(() => this.#settle(row));
  }

  #settle(row) {
    row?.removeAttribute("data-removed");
    this.#render();
  }

  #pressed(event) {
    const { bell } = this.parts;
    const row = event.target.closest("[part=row]");
    const leave = () => {
      this.#hide();
      bell.focus();
    };
    if (event.key === "Tab") {
      leave(); // and the key goes on from the bell
    } else {
      const remove = () => row && this.#act("remove", row);
      this.#menu.pressed(event, { Delete: remove, Escape: leave });
    }
  }
}

function showTime(time, created) {
  const date = new Date(created);
  time.dateTime = created;
  time.title = attempt(() => date.toLocaleString(locale())) ?? created;
  time.textContent = attempt(() => ago(date)) ?? time.title;
}

// What another clock has dated is never in the future.
function ago(date) {
  const format = new Intl.RelativeTimeFormat(locale(), { numeric: "auto", style: "short" });
  const age = Math.max(0, serverTime() - date) / 1000;
  const [unit, size] = UNITS_S.find(([, size]) => age >= size);
  return format.format(-Math.trunc(age / size), unit);
}
