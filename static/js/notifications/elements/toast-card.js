// What a toast says and how long it stays.

import { now } from "../platform.js";
import { fillIn, parts, say } from "./template-element.js";

const LEAST_LEFT_MS = 1_500; // nothing vanishes the moment the pointer leaves it
const LIFE_MS = { info: 6_000, success: 6_000, warning: 10_000, error: 2 ** 31 - 1 };

/** Show an item, and give it its whole time. */
export function fill(card, item) {
  const { close, progress } = parts(card);
  const percent = item.data?.progress;
  const level = say(card, item);
  card.setAttribute("part", `toast ${level}`);
  close.ariaLabel = fillIn(close, item.title);
  progress.hidden = !Number.isFinite(percent);
  progress.value = +percent || 0;
  progress.ariaLabel = item.title;
  run(card, false);
  card.leftMs = LIFE_MS[level];
}

/** Let its clock run, and call `expired` when its time is over; or stop it. */
export function run(card, isRunning, expired) {
  if (isRunning && !card.timer) {
    card.startedAt = now();
    card.timer = setTimeout(expired, card.leftMs);
  } else if (!isRunning && card.timer) {
    clearTimeout(card.timer);
    card.timer = 0;
    card.leftMs = Math.max(LEAST_LEFT_MS, card.leftMs - now() + card.startedAt);
  }
}
