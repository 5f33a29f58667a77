// The bell and its drop-down, a menu to the keyboard. `data-verb` says what a button does.

import { desktop } from "./desktop.js";
import { TemplateElement, announce, arrange, fillIn, parts, say, stamp, tell } from "./dom.js";

const ROWS_MAX = 20;
const REFRESH_MS = 30_000;
const UNITS_S = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", -Infinity]];

/** Is a link until it has a `connection`. Dispatches `follow` with `{ item }`. */
export class NotificationBell extends TemplateElement {
  #connection;
  #status = "loading";
  #timer;

  set connection(connection) {
    this.#connection = connection;
    if (this.isConnected) {
      this.disconnectedCallback();
      this.connectedCallback();
    }
  }

  connectedCallback() {
    super.connectedCallback();
    const { bell, panel } = this.parts;
    if (this.#connection && panel.showPopover) {
      bell.hidden = false; // the stylesheet hides the link
      this.shadowRoot.activeElement && bell.focus();
      this.on(this.#connection.store, "change", () => this.#render());
      this.on(bell, "keydown", (event) => this.#openBy(event));
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

  #openBy(event) {
    if (/^Arrow[UD]/.test(event.key)) {
      event.preventDefault();
      this.parts.panel.showPopover();
      event.key === "ArrowUp" && this.#choices().at(-1).focus();
    }
  }

  #toggled(isOpen) {
    const { bell, panel } = this.parts;
    bell.ariaExpanded = isOpen;
    clearInterval(this.#timer);
    this.#rows.forEach((row) => row.removeAttribute("data-removed"));
    if (isOpen) {
      this.emit("notification-open");
      this.#timer = setInterval(() => this.#render(), REFRESH_MS);
      panel.contains(this.shadowRoot.activeElement) || panel.focus();
      this.#load();
    }
  }

  #render() {
    const { badge, bell, panel } = this.parts;
    const { unread } = this.#connection.store;
    badge.hidden = !unread;
    badge.textContent = unread > 99 ? "99+" : unread;
    bell.ariaLabel = unread ? fillIn(bell, unread) : panel.ariaLabel;
    if (bell.ariaExpanded === "true") {
      this.#keepFocus(() => this.#arrange());
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
    button.dataset.state = desktop.state;
    button.hidden = !/^o/.test(desktop.state);
    tell(state, list.children[1] && this.#status !== "error" ? "" : this.#status || "empty");
  }

  get #rows() {
    return [...this.parts.list.children].slice(1);
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

  // The row in the place of one that goes gets its focus, else the one before.
  #keepFocus(change) {
    const { bell, content, panel } = this.parts;
    const focused = this.shadowRoot.activeElement ?? bell;
    const at = this.#lines().indexOf(first(focused));
    const isInside = panel.contains(focused);
    change();
    if (isInside) {
      const lines = this.#lines();
      const near = [lines[at], lines[at - 1], lines[1]].find((line) => content.contains(line));
      const next = this.#choices().includes(focused) ? focused : near ?? panel;
      next.focus({ preventScroll: true });
    }
  }

  #choices() {
    const choices = this.parts.panel.querySelectorAll("[role=menuitem]");
    return [...choices].filter((choice) => choice.checkVisibility());
  }

  #lines() {
    return this.#choices().filter((choice) => choice === first(choice));
  }

  #clicked({ target, button, ctrlKey, metaKey }) {
    const choice = target.closest("[role=menuitem]");
    const row = target.closest("[part=row]");
    if (choice?.href && button < 2) {
      row && this.emit("follow", row.item);
      button || ctrlKey || metaKey || this.parts.panel.hidePopover();
    } else if (choice && !button) {
      this.#act(choice.dataset.verb, row);
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

  #act(verb, row) {
    const { spoken } = this.parts;
    if (verb === "load") {
      this.#load();
      return;
    }
    if (verb === "remove") {
      row.dataset.removed = "";
      announce(spoken, fillIn(spoken, 1));
      this.#render();
    }
    const owner = verb in desktop ? desktop : this.#connection;
    owner[verb](row && [row.item.id]).then(() => this.#render(), () => this.#settle(row));
  }

  #settle(row) {
    row?.removeAttribute("data-removed");
    this.#render();
  }

  #pressed(event) {
    const { bell, panel } = this.parts;
    const choice = this.shadowRoot.activeElement;
    const row = choice.closest("[part=row]");
    const choices = this.#choices();
    const lines = this.#lines();
    const forward = getComputedStyle(this).direction === "rtl" ? -1 : 1;
    const step = (among, from, by) => among.at((among.indexOf(from) + by) % among.length).focus();
    const close = () => {
      panel.hidePopover();
      bell.focus();
    };
    const act = {
      ArrowDown: () => step(lines, first(choice), 1),
      ArrowUp: () => step(lines, first(choice), -1),
      ArrowRight: () => step(choices, choice, forward),
      ArrowLeft: () => step(choices, choice, -forward),
      Home: () => choices[0].focus(),
      End: () => choices.at(-1).focus(),
      Delete: () => row && this.#act("remove", row),
      Enter: () => choice.click(),
      " ": () => choice.click(),
      Escape: close,
      Tab: close,
    }[event.key];
    if (act && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.key === "Tab" || event.preventDefault();
      act();
    }
  }
}

function first({ parentNode }) {
  return parentNode.querySelector("[role=menuitem]");
}

function showTime(time, date) {
  const lang = document.documentElement.lang || "en";
  const format = new Intl.RelativeTimeFormat(lang, { numeric: "auto", style: "short" });
  const age = (Date.now() - date) / 1000;
  const [unit, size] = UNITS_S.find(([, size]) => age >= size);
  time.title = date.toLocaleString(lang);
  time.textContent = format.format(-Math.trunc(age / size), unit);
}
