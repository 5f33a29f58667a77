// Building DOM without markup in strings.

const SVG = "http://www.w3.org/2000/svg";

/** Return an element with these attributes and children; strings become text. */
export function element(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** Return an icon on a grid of 20: a filled shape and a line over it. */
export function icon(shape, line, attributes) {
  const path = (name, d) => fill(document.createElementNS(SVG, "path"), { class: name, d }, []);
  const paths = [path("shape", shape), path("line", line)];
  return fill(document.createElementNS(SVG, "svg"), { viewBox: "0 0 20 20", ...attributes }, paths);
}

/**
 * Return an address if it may become a link: http(s), or a path on this site. Browsers drop tabs
 * and newlines and read "\" as "/", so "/\t/evil" would leave it.
 */
export function safeUrl(text) {
  const isSafe = /^(\/(?!\/)|https?:\/\/)[^\\\s\p{C}]*$/iu.test(text ?? "");
  return isSafe && URL.canParse(text, location.href) ? text : null;
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}
