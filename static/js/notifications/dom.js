// What the elements share; a Django template wrote their markup.

import { LEVELS } from "./protocol.js";

const GATHER_MS = 150;
const SPOKEN_MAX = 3;

export class TemplateElement extends HTMLElement {
  #listening;

  connectedCallback() {
    if (!this.shadowRoot) { // a script inserted the markup
      const { content } = this.querySelector("template");
      this.attachShadow({ mode: "open" }).append(content.cloneNode(true));
    }
    this.parts = parts(this.shadowRoot);
    this.#listening = new AbortController();
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  on(target, types, act) {
    const { signal } = this.#listening;
    types.split(" ").forEach((type) => target.addEventListener(type, act, { signal }));
  }

  emit(type, item) {
    this.dispatchEvent(new CustomEvent(type, { detail: { item }, bubbles: true }));
  }
}

export function parts(root) {
  return new Proxy({}, { get: (_, name) => root.querySelector(`[part~="${name}"]`) });
}

// A region starts with the template of what comes into it.
export function stamp({ firstElementChild: { content } }, selector) {
  return content.querySelector(selector)?.cloneNode(true);
}

// What stands right is not touched, nor are others, which still fade.
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

export function tell(region, name) {
  if (region.told !== name) {
    region.told = name;
    const line = stamp(region, `[data-status="${name}"]`);
    region.replaceChildren(region.firstElementChild, line ?? "");
  }
}

export function fillIn({ dataset }, value) {
  return dataset.text.replace(/{\w+}/, () => value);
}

// Of many texts at once, screen readers are told the number.
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

export function say(element, item) {
  const { level, title, body, url } = item;
  const shown = parts(element);
  element.item = item;
  shown.title.textContent = title;
  shown.body.textContent = body;
  shown.link.removeAttribute("href");
  if (isSafe(url)) {
    shown.link.href = url;
  }
  return (element.dataset.level = LEVELS.includes(level) ? level : "info");
}

// http(s), or a path here. Browsers drop tabs and read "\" as "/": "/\t/evil" would leave the site.
export function isSafe(url) {
  return /^(\/(?!\/)|https?:\/\/)[^\\\s\p{C}]*$/iu.test(url) && URL.canParse(url, location.href);
}
