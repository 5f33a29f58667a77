// Quiet hours. The server applies them to a user's notifications, the page to broadcasts.

import { attempt, serverTime } from "../platform.js";

/** Tell whether an item is silent, by hours such as "22:00 07:00 Europe/Berlin". */
export function isQuiet({ quiet, stream, critical }, hours) {
  return quiet || (stream === "b" && !critical && hours && isNow(hours));
}

// Never in a zone that this browser does not know.
function isNow(hours) {
  const [from, until, timeZone] = hours.split(" ");
  const date = new Date(serverTime());
  const now = attempt(() => date.toLocaleTimeString("en-GB", { timeZone }));
  const isPast = from <= now;
  return from < until ? isPast && now < until : isPast || now < until;
}
