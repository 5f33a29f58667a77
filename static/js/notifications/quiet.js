// Quiet hours. The server knows those of each user; what goes out to all is compared here.

/** Tell whether an item shall not pop up, in hours such as "22:00 07:00 Europe/Berlin". */
export function isQuiet({ quiet, stream, critical }, hours) {
  return quiet || (stream === "b" && !critical && hours && isNow(hours));
}

function isNow(hours) {
  const [from, until, timeZone] = hours.split(" ");
  try {
    const now = new Date().toLocaleTimeString("en-GB", { timeZone });
    const isPast = from <= now;
    return from < until ? isPast && now < until : isPast || now < until;
  } catch {
    return false; // a zone that this browser does not know
  }
}
