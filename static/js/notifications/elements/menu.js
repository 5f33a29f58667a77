// The keyboard in a menu: up and down between lines, left and right along one.

/** Moves the focus among the `menuitem`s of a panel; the first of each parent stands for a line. */
export class Menu {
  #panel;

  constructor(panel) {
    this.#panel = panel;
  }

  focusLast() {
    this.#choices.at(-1).focus();
  }

  /** Do what a key does in `verbs` or in any menu; prevent its default. */
  pressed(event, verbs) {
    const act = { ...this.#moves(), ...verbs }[event.key];
    if (act && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      act();
    }
  }

  /** Change the lines. If the focused one goes, the next or else the previous gets the focus. */
  keepFocus(content, change) {
    const focused = this.#focused;
    const at = focused ? this.#lines.indexOf(first(focused)) : -1;
    change();
    if (focused && !this.#choices.includes(focused)) {
      const lines = this.#lines;
      const near = [lines[at], lines[at - 1], lines[1]].find((line) => content.contains(line));
      (near ?? this.#panel).focus({ preventScroll: true });
    } else {
      focused?.focus({ preventScroll: true }); // a moved line has lost it
    }
  }

  #moves() {
    const choice = this.#focused;
    const choices = this.#choices;
    const forward = getComputedStyle(this.#panel).direction === "rtl" ? -1 : 1;
    const step = (among, from, by) => among.at((among.indexOf(from) + by) % among.length).focus();
    return {
      ArrowDown: () => step(this.#lines, first(choice), 1),
      ArrowUp: () => step(this.#lines, first(choice), -1),
      ArrowRight: () => step(choices, choice, forward),
      ArrowLeft: () => step(choices, choice, -forward),
      Home: () => choices[0].focus(),
      End: () => this.focusLast(),
      Enter: () => choice.click(),
      " ": () => choice.click(),
    };
  }

  get #focused() {
    const { activeElement } = this.#panel.getRootNode();
    return this.#panel.contains(activeElement) ? activeElement : null;
  }

  get #choices() {
    const choices = this.#panel.querySelectorAll("[role=menuitem]");
    return [...choices].filter((choice) => choice.getClientRects().length);
  }

  get #lines() {
    return this.#choices.filter((choice) => choice === first(choice));
  }
}

function first({ parentNode }) {
  return parentNode.querySelector("[role=menuitem]");
}
