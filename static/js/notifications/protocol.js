// Names, codes and limits of the wire protocol, version 1: the mirror of notifications/protocol.py.
// The literals are plain JSON so that a test can compare both sides word for word.

export const VERSION = 1;

export const LEVELS = Object.freeze(["info", "success", "warning", "error"]);

export const SERVER_FRAMES = Object.freeze([
  "welcome", "items", "toast", "heartbeat", "ok", "error", "message"
]);

export const CLIENT_FRAMES = Object.freeze([
  "ack", "seen", "read", "unread", "read_all", "remove", "subscribe", "unsubscribe"
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

// What a client does about a code. One that is not named here resumes with backoff.
const WAITS_MS = Object.freeze({
  [CLOSE_CODES.TOO_SLOW]: [0, 0],
  [CLOSE_CODES.TOO_MANY]: [60_000, 75_000],
  [CLOSE_CODES.RESTART]: [0, 5_000],
});
const FINAL = Object.freeze([
  CLOSE_CODES.PROTOCOL, CLOSE_CODES.LOGIN_REQUIRED, CLOSE_CODES.FORBIDDEN,
]);

/** Tell whether a client stops for good after this close code. */
export function isFinal(code) {
  return FINAL.includes(code);
}

/** Return the milliseconds to wait after this close code, or null where backoff decides. */
export function waitAfter(code, random = Math.random) {
  const range = WAITS_MS[code];
  return range ? range[0] + random() * (range[1] - range[0]) : null;
}

const BACKOFF_FIRST_MS = 2_000;
const BACKOFF_MAX_MS = 60_000;

/** Return the milliseconds before a retry: full jitter under a cap that doubles up to a minute. */
export function backoff(retries, random = Math.random) {
  return random() * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** retries);
}
