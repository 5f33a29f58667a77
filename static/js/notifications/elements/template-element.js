// What the elements share; a Django template wrote their markup.

import { attempt } from "../platform.js";
import { LEVELS } from "../transport/protocol.js";

const GATHER_MS = 150;
const SPOKEN_MAX = 3;

/**
 * An element whose markup is in its shadow root or, where a script inserted it, in a template.
 * `parts.title` finds `part="title"`; listeners of `on()` live as long as it is on the page.
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

  emit(type, item) {
    this.dispatchEvent(new CustomEvent(type, { detail: { item }, bubbles: true }));
  }
}

/** Find elements by their parts, as in `const { title } = parts(card)`. */
export function parts(root) {
  return new Proxy({}, { get: (_, name) => root.querySelector(`[part~="${name}"]`) });
}

/** Return a copy of what comes into a region, from the template that it starts with. */
export function stamp({ firstElementChild: { content } }, selector) {
  return content.querySelector(selector)?.cloneNode(true);
}

/** Put members into their order. What stands right is not touched, nor are others: they may fade. */
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

/** Show the line of this name from the region's template, or none. */
export function tell(region, name) {
  if (region.told !== name) {
    region.told = name;
    const line = stamp(region, `[data-status="${name}"]`);
    region.replaceChildren(region.firstElementChild, line ?? "");
  }
}

/** Return an element's `data-text` with a value in it. */
export function fillIn({ dataset }, value) {
  return dataset.text.replace(/{\w+}/, () => value);
}

/** Say a text to screen readers; of many at once they hear the number. */
export function announce(region, text) {
  region.texts ??= [];
  if (region.texts.push(text) === 1) {
    setTimeout(() => {
      const { length } = region.texts;
      const text = region.texts.splice(0).join(" ");
      region.textContent = length > SPOKEN_MAX ? fillIn(region, length) : text;
    }, GATHER_MS);
  }
}

/** Show an item in a card or row, and return its level. */
export function say(element, item) {
  const { level, title, body, url, count } = item;
  const shown = parts(element);
  element.item = item;
  shown.title.textContent = title;
  shown.body.textContent = body;
  shown.times.textContent = count > 1 ? `×${count}` : "";
  shown.times.ariaLabel = fillIn(shown.times, count);
  shown.link.removeAttribute("href");
  if (isSafe(url)) {
    shown.link.href = url;
  }
  return (element.dataset.level = LEVELS.includes(level) ? level : "info");
}

/**
 * Tell whether an address may become a link: http(s), or a path here. Browsers drop tabs and read
 * "\" as "/", so "/\t/evil" would leave the site.
 */
export function isSafe(url) {
  const isPlain = /^(\/(?!\/)|https?:\/\/)[^\\\s\p{C}]*$/iu.test(url);
  return isPlain && !!attempt(() => new URL(url, location.href));
}
