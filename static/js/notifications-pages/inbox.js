// Keeps the inbox page up to date: after a change, it fetches it anew.

import { timely } from "../notifications/platform.js";
import { page } from "../notifications/state/current-connection.js";
import { inTurn } from "../notifications/transport/turns.js";
import { showLocally } from "./times.js";

const inbox = document.querySelector("[data-inbox]");

const draw = inTurn(async () => {
  const drawn = (await timely(load())).querySelector("[data-inbox]");
  if (drawn?.dataset.inbox === inbox.dataset.inbox) {
    showLocally(drawn);
    replace(drawn.childNodes);
  }
});

// Not fetch(): with Trusted Types, no text may become a document.
function load() {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.setRequestHeader("X-Requested-With", "XMLHttpRequest"); // the page without its layout
    request.responseType = "document";
    request.onload = () => resolve(request.response);
    request.onerror = reject;
    request.send();
  });
}

function replace(nodes) {
  const chosen = boxes(":checked").map(({ value }) => value);
  const focused = address(document.activeElement);
  inbox.replaceChildren(...nodes);
  boxes().forEach((box) => (box.checked = chosen.includes(box.value)));
  inbox.querySelector(focused)?.focus({ preventScroll: true });
  prepare();
}

function boxes(state = "") {
  return [...inbox.querySelectorAll(`li [type=checkbox]${state}`)];
}

function address({ name, value, id }) {
  return name ? `[name="${name}"][value="${CSS.escape(value)}"]` : `#${id || "none"}`;
}

// Controls that need this module are hidden in the markup.
function prepare() {
  const all = inbox.querySelector("[data-select-all]");
  if (all) {
    all.hidden = false;
  }
}

inbox.addEventListener("change", ({ target }) => {
  if (target.closest("[data-select-all]")) {
    boxes().forEach((box) => (box.checked = target.checked));
  }
});
for (const type of ["click", "auxclick"]) {
  inbox.addEventListener(type, ({ target, button }) => {
    const { id } = target.closest("a[data-id]")?.dataset ?? {};
    if (id && button < 2) {
      page.connection?.read([id]).catch(() => {});
    }
  });
}
document.addEventListener("notification-change", () => draw().catch(() => {})); // it stays as it was
prepare();
showLocally(inbox);
