// The overview stays as things are: what has turned is asked for as the server draws it, and takes the place of what was there.

import { whileVisible } from "./polling.js";
import { served } from "./served.js";

const STATE_MS = 5000;
const { everyS } = document.querySelector("[data-every-s]").dataset;
const said = document.getElementById("said");
const stale = document.getElementById("stale");

keep("state", STATE_MS);
keep("charts", Number(everyS) * 1000);

/** Look at a part of the page every so many milliseconds; it is new when the page is opened. */
function keep(part, everyMs) {
  let opened = true;
  whileVisible(everyMs, async () => {
    if (!opened) show(await drawn(part));
    opened = false;
  });
}

/** The part as it is now; null when nobody can tell. */
function drawn(part) {
  const query = new URLSearchParams(location.search);
  query.set("part", part);
  return served(`${location.pathname}?${query}`);
}

function show(found) {
  stale.hidden = found !== null;
  for (const part of found?.querySelectorAll("[data-live]") ?? []) replace(document.getElementById(part.id), part);
}

function replace(there, found) {
  const part = document.importNode(found, true);
  for (const each of there?.querySelectorAll("details[open]") ?? []) {
    const same = part.querySelector(`details[data-kept="${each.dataset.kept}"]`);
    if (same) same.open = true;
  }
  if (!there || part.isEqualNode(there)) return;
  const place = there.contains(document.activeElement) ? document.activeElement : null;
  const table = place?.closest("details");
  if (place && !table) return; // who follows a link by keyboard is not to lose it
  const scrolled = new Map([...there.querySelectorAll("details[open]")].map((each) => [each.dataset.kept, scrolling(each)?.scrollTop]));
  if (part.dataset.said !== there.dataset.said) said.textContent = part.dataset.said;
  there.replaceWith(part);
  for (const each of part.querySelectorAll("details[open]")) scrolling(each)?.scrollTo({ top: scrolled.get(each.dataset.kept) });
  const same = table && part.querySelector(`details[data-kept="${table.dataset.kept}"]`);
  (place?.matches("summary") ? same?.querySelector("summary") : same && scrolling(same))?.focus({ preventScroll: true });
}

const scrolling = (details) => details.querySelector(".scroll");
