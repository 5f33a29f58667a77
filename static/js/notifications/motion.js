// Movement of a list, for those who like it.

const EASE = { duration: 280, easing: "cubic-bezier(.2, .8, .2, 1)" };

/** Change a list; new members rise, and the others glide to their new places. */
export function glide(list, change) {
  const before = new Map([...list.children].map((each) => [each, top(each)]));
  change();
  for (const each of isCalm() ? [] : list.children) {
    const by = before.has(each) ? before.get(each) - top(each) : 16;
    const opacity = before.has(each) ? 1 : 0;
    if (by) {
      each.animate([{ opacity, transform: `translateY(${by}px)` }, {}], EASE);
    }
  }
}

/** Resolve when the member has faded. */
export async function fade(member) {
  if (!isCalm()) {
    const frame = { opacity: 0, transform: "scale(.96)" };
    await member.animate(frame, { duration: 140, fill: "forwards" }).finished;
  }
}

function isCalm() {
  return document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function top(member) {
  return member.getBoundingClientRect().top;
}
