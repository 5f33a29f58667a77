// Times and days in the reader's time zone; the server wrote them in its own.

import { arrange } from "../notifications/elements/template-element.js";
import { attempt, learnTime, locale, serverTime } from "../notifications/platform.js";

const STYLES = {
  time: { timeStyle: "short" },
  moment: { dateStyle: "short", timeStyle: "short" },
};

/** Show the times and the days in an element in the time zone of this browser. */
export function showLocally(element) {
  for (const time of element.querySelectorAll("time[data-shown]")) {
    const date = new Date(time.dateTime);
    attempt(() => {
      time.textContent = date.toLocaleString(locale(), STYLES[time.dataset.shown]);
      time.title = date.toLocaleString(locale());
    });
  }
  attempt(() => groupByDay(element.querySelector("[data-inbox-list]")));
}

function groupByDay(list) {
  learnTime(list.dataset.now); // the widget may come later or not at all
  const sections = [...list.querySelectorAll(".inbox-day")];
  const days = new Map();
  for (const item of list.querySelectorAll(".inbox-item")) {
    const day = dayOf(new Date(item.querySelector("time").dateTime));
    days.set(day, [...(days.get(day) ?? []), item]);
  }
  let section;
  for (const [day, items] of days) {
    section = sections.shift() ?? emptyAfter(section);
    const title = section.querySelector(".inbox-day-title");
    title.id = `inbox-day-${day}`;
    title.textContent = nameOf(day, list.dataset) ?? day;
    section.setAttribute("aria-labelledby", title.id);
    arrange(section.querySelector("ul"), items);
  }
  sections.forEach((empty) => empty.remove());
}

function emptyAfter(section) {
  const copy = section.cloneNode(true);
  copy.querySelector("ul").replaceChildren();
  section.after(copy);
  return copy;
}

// As in "2026-11-30".
function dayOf(date) {
  return new Date(date - 60_000 * date.getTimezoneOffset()).toISOString().slice(0, 10);
}

function nameOf(day, { today, yesterday }) {
  const now = new Date(serverTime());
  const before = new Date(now);
  before.setDate(now.getDate() - 1);
  const year = day.slice(0, 4) === dayOf(now).slice(0, 4) ? undefined : "numeric";
  const named = { [dayOf(now)]: today, [dayOf(before)]: yesterday }[day];
  const options = { day: "numeric", month: "long", year };
  return named ?? attempt(() => new Date(`${day}T12:00`).toLocaleDateString(locale(), options));
}
