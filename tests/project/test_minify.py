"""What a browser gets of a module's source."""

from __future__ import annotations

from notifier.minify import minify

SOURCE = """// A comment.
export class Bell {
  #rows = new Map();
  static #made = 0;

  /** Another. */
  get #list() {
    return "#list .row, a#rows";
  }

  async #load() {
    this.#rows.set(`#rows ${this.#list?.id}`, Bell.#made);
  }
}
"""
SHIPPED = """
export class Bell{#a=new Map();static#b=0;get#c(){return"#list .row, a#rows";}
async#d(){this.#a.set(`#rows ${this.#c?.id}`,Bell.#b);}}
"""


def test_private_names_become_letters_and_texts_stay() -> None:
    assert minify(SOURCE).strip() == SHIPPED.strip()


def test_more_names_than_letters_stay_apart() -> None:
    members = "".join(f"#member{number};" for number in range(120))

    names = minify(f"class Many {{{members}}}").split("{")[1].split(";")

    assert len(set(names)) == 121
