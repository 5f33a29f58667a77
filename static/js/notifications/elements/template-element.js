// Elements whose markup a Django template wrote, and the regions in them that change.

const GATHER_MS = 150;
const SPOKEN_MAX = 3;

/**
 * An element whose markup is in its shadow root or, if a script inserted it, in a template.
 * `parts.title` is the part of that name; listeners of `on()` live as long as it is on the page.
 */
export class TemplateElement extends HTMLElement {
  #listening;

  connectedCallback() {
    if (!this.shadowRoot) {
      const { content } = this.querySelector("template");
      this.attachShadow({ mode: "open" }).append(content.cloneNode(true));
    }
    this.parts = parts(this.shadowRoot);
    this.#listening = new AbortController();
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  on(target, types, act, capture = false) {
    const options = { signal: this.#listening.signal, capture };
    types.split(" ").forEach((type) => target.addEventListener(type, act, options));
  }

  /** Dispatch an event that bubbles; return whether its default was not prevented. */
  emit(type, detail) {
    return this.dispatchEvent(
      new CustomEvent(type, { detail, bubbles: true, cancelable: true }),
    );
  }
}

/** Return the first element of each part, as in `const { title } = parts(card)`. */
export function parts(root) {
  const found = {};
  for (const element of root.querySelectorAll("[part]")) {
    element.part.forEach((name) => (found[name] ??= element));
  }
  return found;
}

/** Return a copy of the template that a region starts with. */
export function stamp({ firstElementChild: { content } }, selector) {
  return content.querySelector(selector)?.cloneNode(true);
}

/** Order members. Those in place and other elements stay: they may be fading. */
export function arrange(list, members) {
  let next = list.firstElementChild;
  for (const member of members) {
    while (next && !members.includes(next)) {
      next = next.nextElementSibling;
    }
    if (next === member) {
      next = next.nextElementSibling;
    } else {
      list.insertBefore(member, next);
    }
  }
}

/** Return an element's `data-text` with a value in it. */
export function fillIn({ dataset }, value) {
  return dataset.text.replace(/{\w+}/, () => value);
}

/** Announces texts to screen readers; of many at once, the number. */
export class LiveRegion {
  #element;
  #texts = [];

  constructor(element) {
    this.#element = element;
  }

  announce(text) {
    if (this.#texts.push(text) === 1) {
      setTimeout(() => {
        const texts = this.#texts.splice(0);
        this.#element.textContent =
          texts.length > SPOKEN_MAX ? fillIn(this.#element, texts.length) : texts.join(" ");
      }, GATHER_MS);
    }
  }
}

/** Shows a line of the template that its element starts with. */
export class StatusLine {
  #element;
  #name;
  #timer;

  constructor(element) {
    this.#element = element;
  }

  /** Show the line of this name or none, and call `shown`; with a patience only if it lasts. */
  show(name, patienceMs, shown) {
    if (this.#name === name) {
      return;
    }
    const show = () => {
      const line = stamp(this.#element, `[data-status="${name}"]`);
      const reload = line?.querySelector('[href=""]');
      if (reload) {
        reload.href = location.href.replace(/#.*/, ""); // a <base> may lead elsewhere
      }
      this.#element.replaceChildren(this.#element.firstElementChild, line ?? "");
      shown?.();
    };
    this.#name = name;
    clearTimeout(this.#timer);
    this.#timer = patienceMs ? setTimeout(show, patienceMs) : show();
  }
}
