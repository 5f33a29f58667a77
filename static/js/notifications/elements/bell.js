// The bell and its drop-down. In the markup, `data-verb` says what a button does.

import { attempt } from "../platform.js";
import { Desktop } from "../state/desktop.js";
import { page } from "../state/current-connection.js";
import { badgeOf } from "../state/store.js";
import { BellRow } from "./bell-row.js";
import { Menu } from "./menu.js";
import {
  LiveRegion,
  StatusLine,
  TemplateElement,
  arrange,
  fillIn,
  stamp,
} from "./template-element.js";

const ROWS_MAX = 20;
const REFRESH_MS = 30_000;

/** Is a link until the page has a connection. */
export class NotificationBell extends TemplateElement {
  #desktop;
  #menu;
  #spoken;
  #statusLine;
  #status = "loading";
  #rows = new Map(); // by id
  #timer;

  connectedCallback() {
    super.connectedCallback();
    this.on(page, "connection", () => {
      this.disconnectedCallback();
      this.connectedCallback();
    });
    const { connection } = page;
    const { list, panel, spoken, state } = this.parts;
    if (!connection) {
      return;
    }
    this.#desktop = new Desktop(connection.user);
    this.#spoken = new LiveRegion(spoken);
    this.#statusLine = new StatusLine(state);
    this.#rows.clear();
    list.replaceChildren(list.firstElementChild); // a clone comes with its rows
    if (panel.showPopover) {
      this.#menu = new Menu(panel);
      this.#becomeButton();
      // Complete before it shows: keys that open it go to its first or last line.
      this.on(panel, "beforetoggle", ({ newState }) => newState === "open" && this.#arrange());
      this.on(panel, "toggle", ({ newState }) => this.#toggled(newState === "open"));
      this.on(panel, "keydown", (event) => this.#pressed(event));
      this.on(panel, "click auxclick", (event) => this.#clicked(event));
      this.on(panel, "animationend", ({ target }) => this.#settle(this.#rowAt(target)));
    }
    this.on(connection.store, "change", () => this.#render());
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
    this.#timer = isOpen && setInterval(() => this.#render(), REFRESH_MS);
    this.#rows.forEach((row) => row.setRemoved(false));
    if (isOpen) {
      this.emit("notification-open");
      if (!panel.contains(this.shadowRoot.activeElement)) {
        panel.focus();
      }
      this.#load();
    }
  }

  async #load() {
    this.#status &&= "loading";
    this.#render();
    this.#status = await page.connection.load().then(() => "", () => "error");
    this.#render();
    this.#spoken.announce(this.parts.state.textContent);
  }

  #render() {
    const { bell, content, inbox, panel } = this.parts;
    const { unread } = page.connection.store;
    for (const badge of this.shadowRoot.querySelectorAll("[part=badge]")) {
      badge.hidden = !unread;
      badge.textContent = badgeOf(unread);
    }
    bell.ariaLabel = inbox.ariaLabel = unread ? fillIn(bell, unread) : panel.ariaLabel;
    if (this.#timer) {
      this.#menu.keepFocus(content, () => this.#arrange());
    }
  }

  #arrange() {
    const { all, desktop: button, list } = this.parts;
    const { store } = page.connection;
    const shown = store.list().slice(0, ROWS_MAX).map((item) => this.#show(item));
    for (const [id, { element, isRemoved }] of this.#rows) {
      if (!shown.includes(element) && !isRemoved) {
        element.remove();
        this.#rows.delete(id);
      }
    }
    arrange(list, shown);
    all.ariaDisabled = !store.unread;
    button.dataset.state = this.#desktop.state;
    button.hidden = !["on", "off"].includes(this.#desktop.state);
    const isList = this.#rows.size && this.#status !== "error";
    this.#statusLine.show(isList ? "" : this.#status || "empty");
  }

  #show(item) {
    const row = this.#rows.get(item.id) ?? new BellRow(stamp(this.parts.list, "div"));
    this.#rows.set(item.id, row);
    row.show(item);
    return row.element;
  }

  #rowAt(target) {
    return [...this.#rows.values()].find(({ element }) => element.contains(target));
  }

  #clicked({ target, button, ctrlKey, metaKey }) {
    const choice = target.closest("[role=menuitem]");
    const row = this.#rowAt(target);
    if (choice?.href && button < 2) {
      if (row) {
        this.#command("read", row);
      }
      if (!button && !ctrlKey && !metaKey) {
        this.#hide();
      }
    } else if (choice && !button) {
      this.#act(row ? row.verbOf(choice) : choice.dataset.verb, row);
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

  // The store brings what it changes; only a removed row stays for its undo.
  #command(verb, row) {
    if (verb === "remove") {
      row.setRemoved(true);
      this.#spoken.announce(fillIn(this.parts.spoken, 1));
      this.#render();
    }
    page.connection[verb](row && [row.item.id]).catch(() => this.#settle(row));
  }

  #settle(row) {
    row?.setRemoved(false);
    this.#render();
  }

  #pressed(event) {
    const { bell } = this.parts;
    const row = this.#rowAt(event.target);
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
