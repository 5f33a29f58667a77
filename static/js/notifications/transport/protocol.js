// The names of the wire protocol, as notifications/wire/protocol.py has them; a test compares both.

export const VERSION = 1;

export const LEVELS = ["info", "success", "warning", "error"];

export const SERVER_FRAMES = ["welcome", "items", "toast", "heartbeat", "ok", "error", "message"];

export const OTHER_USER = "other_user"; // an error: the page was rendered for another user

export const CLOSE_CODES = {
  PROTOCOL: 4400,
  LOGIN_REQUIRED: 4401,
  FORBIDDEN: 4403,
  TOO_SLOW: 4408,
  TOO_MANY: 4429,
  RESTART: 1012,
  FULL: 1013,
};

const { PROTOCOL, LOGIN_REQUIRED, FORBIDDEN, TOO_SLOW, TOO_MANY, RESTART } = CLOSE_CODES;
const WAITS_MS = { [TOO_SLOW]: [0, 0], [TOO_MANY]: [60_000, 75_000], [RESTART]: [0, 5_000] };
const BACKOFF_FIRST_MS = 2_000;
const BACKOFF_MAX_MS = 60_000;

/** Return the name of an epoch's log, without the position. */
export function logOf(epoch) {
  return `${epoch}`.split(".")[0];
}

/** Tell whether a client stops for good after this close code. */
export function isFinal(code) {
  return [PROTOCOL, LOGIN_REQUIRED, FORBIDDEN].includes(code);
}

/** Return the ms that a close code asks to wait, or null for backoff. */
export function waitAfter(code) {
  return WAITS_MS[code] ? between(...WAITS_MS[code]) : null;
}

/** Return the ms before a retry: full jitter under a cap that doubles up to a minute. */
export function backoff(retries) {
  return between(0, Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** retries));
}

export function between(least, most) {
  return least + Math.random() * (most - least);
}
