// The names of the wire protocol, as notifications/protocol.py has them; a test compares both.

export const VERSION = 1;

export const LEVELS = Object.freeze(["info", "success", "warning", "error"]);

export const SERVER_FRAMES = Object.freeze([
  "welcome", "items", "toast", "heartbeat", "ok", "error", "message"
]);

export const CLIENT_FRAMES = Object.freeze([
  "ack", "seen", "read", "unread", "read_all", "remove", "restore", "subscribe", "unsubscribe"
]);

export const CLOSE_CODES = Object.freeze({
  "PROTOCOL": 4400,
  "LOGIN_REQUIRED": 4401,
  "FORBIDDEN": 4403,
  "TOO_SLOW": 4408,
  "TOO_MANY": 4429,
  "RESTART": 1012,
  "FULL": 1013
});

const FINAL = [CLOSE_CODES.PROTOCOL, CLOSE_CODES.LOGIN_REQUIRED, CLOSE_CODES.FORBIDDEN];
const WAITS_MS = {
  [CLOSE_CODES.TOO_SLOW]: [0, 0],
  [CLOSE_CODES.TOO_MANY]: [60_000, 75_000],
  [CLOSE_CODES.RESTART]: [0, 5_000],
};
const BACKOFF_FIRST_MS = 2_000;
const BACKOFF_MAX_MS = 60_000;

/** Tell whether a client stops for good after this close code. */
export function isFinal(code) {
  return FINAL.includes(code);
}

/** Return how long to wait after this close code, in ms, or null where backoff decides. */
export function waitAfter(code) {
  const [least, most] = WAITS_MS[code] ?? [];
  return most === undefined ? null : least + Math.random() * (most - least);
}

/** Return the ms before a retry: full jitter under a cap that doubles up to a minute. */
export function backoff(retries) {
  return Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** retries);
}
