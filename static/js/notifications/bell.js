// The bell and its drop-down. In the markup, `data-verb` says what a button does.

import { Desktop } from "./desktop.js";
import { TemplateElement, announce, arrange, fillIn, parts, say, stamp, tell } from "./dom.js";
import { Menu } from "./menu.js";
import { badgeOf } from "./store.js";

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
    if (this.#connection && panel.showPopover) {
      this.#menu = new Menu(panel);
      this.#becomeButton();
      this.on(this.#connection.store, "change", () => this.#render());
      // Complete before it shows: the keys that open it go to its first or its last line.
      this.on(panel, "beforetoggle", ({ newState }) => newState === "open" && this.#arrange());
      this.on(panel, "toggle", ({ newState }) => this.#toggled(newState === "open"));
      this.on(panel, "keydown", (event) => this.#pressed(event));
      this.on(panel, "click auxclick", (event) => this.#clicked(event));
      this.on(panel, "animationend", ({ target }) => this.#settle(target.closest("[part=row]")));
      this.#render();
    }
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
        panel.showPopover();
      }
      if (event.key === "ArrowUp") {
        this.#menu.focusLast();
      }
    });
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
    const { badge, bell, content, panel } = this.parts;
    const { unread } = this.#connection.store;
    badge.hidden = !unread;
    badge.textContent = badgeOf(unread);
    bell.ariaLabel = unread ? fillIn(bell, unread) : panel.ariaLabel;
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
    time.dateTime = created;
    showTime(time, new Date(created));
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
        this.parts.panel.hidePopover();
      }
    } else if (choice && !button) {
      this.#act(choice.dataset.verb, row);
    }
  }

  #act(verb, row) {
    if (verb === "load") {
      this.#load();
    } else if (verb === "toggle") {
      this.#desktop.toggle().then(() => this.#render());
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
    const { bell, panel } = this.parts;
    const row = event.target.closest("[part=row]");
    if (event.key === "Tab") {
      panel.hidePopover();
      bell.focus(); // from where it goes on
      return;
    }
    this.#menu.pressed(event, {
      Delete: () => row && this.#act("remove", row),
      Escape: () => {
        panel.hidePopover();
        bell.focus();
      },
    });
  }
}

function showTime(time, date) {
  const lang = document.documentElement.lang || "en";
  const format = new Intl.RelativeTimeFormat(lang, { numeric: "auto", style: "short" });
  const age = (Date.now() - date) / 1000;
  const [unit, size] = UNITS_S.find(([, size]) => age >= size);
  time.title = date.toLocaleString(lang);
  time.textContent = format.format(-Math.trunc(age / size), unit);
}
