// Asks the browser for what it may lack, refuse, leave unanswered or have wrong.

const ANSWER_WITHIN_MS = 30_000;
const memory = new Map(); // if storage is refused
let ahead; // of now() is the server's time, in ms

/** Return what `ask` returns; undefined if the browser lacks it or refuses. */
export function attempt(ask) {
  try {
    return ask();
  } catch {}
}

/** Settle as a promise does, or reject when it takes longer. */
export function timely(promise, milliseconds = ANSWER_WITHIN_MS) {
  const late = new Promise((_, reject) => {
    setTimeout(reject, milliseconds, new Error("no answer"));
  });
  return Promise.race([promise, late]);
}

/** Tell whether the page is hidden; false if the browser does not say. */
export function isHidden() {
  return attempt(() => document.hidden);
}

/** Return ms of a monotonic clock. */
export function now() {
  return attempt(() => performance.now()) ?? Date.now();
}

/** Return the server's time in ms, or `unknown`: this clock may be hours off. */
export function serverTime(unknown = Date.now()) {
  return ahead ? now() + ahead : unknown;
}

/** Learn that the server is at a moment, or past it. */
export function learnTime(moment) {
  const least = Date.parse(moment) - now();
  ahead = ahead >= least ? ahead : least || ahead;
}

/** Return the page's language as Intl takes it; undefined is the browser's own. */
export function locale() {
  const { lang } = document.documentElement;
  return attempt(() => Intl.getCanonicalLocales(lang.replace(/_/g, "-"))[0]);
}

/** Keep a value for all pages of this browser or, if refused, for this one. */
export function remember(key, value) {
  memory.set(key, value);
  attempt(() => {
    localStorage.setItem(key, JSON.stringify(value));
    memory.delete(key); // another tab may change it
  });
}

/** Return what was kept, or null or undefined; another program may have written it. */
export function recall(key) {
  return memory.get(key) ?? attempt(() => JSON.parse(localStorage.getItem(key)));
}
