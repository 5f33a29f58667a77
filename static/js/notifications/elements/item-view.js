// The base of a toast and a row of the list.

import { attempt } from "../platform.js";
import { LEVELS } from "../transport/protocol.js";
import { fillIn, parts } from "./template-element.js";

/** An element that shows an item. */
export class ItemView {
  constructor(element) {
    this.element = element;
    this.parts = parts(element);
  }

  show(item) {
    const { level, url, count } = item;
    const { title, body, link, times } = this.parts;
    this.item = item;
    this.level = this.element.dataset.level = LEVELS.includes(level) ? level : "info";
    title.textContent = item.title;
    body.textContent = item.body;
    times.textContent = count > 1 ? `×${count}` : "";
    times.ariaLabel = fillIn(times, count);
    link.removeAttribute("href");
    if (isSafe(url)) {
      link.href = url;
    }
  }
}

/**
 * Tell whether a URL may become a link: http(s), or a path here. Browsers drop tabs and read
 * "\" as "/", so "/\t/evil" would leave the site.
 */
export function isSafe(url) {
  const isPlain = /^(\/(?!\/)|https?:\/\/)[^\\\s\p{C}]*$/iu.test(url);
  return isPlain && !!attempt(() => new URL(url, location.href));
}
