// Who did what, a page after the other, as far as somebody wants to look back.

import { call, Problem, told } from "./api.js";
import { sentence } from "./audit-sentences.js";
import { exactInstant } from "./text.js";

for (const list of document.querySelectorAll("[data-audit]")) show(list);

function show(list) {
  const [notice, looking, none, done, more] = [".notice", "[data-looking]", "[data-none]", ".done", "[data-more]"].map((each) =>
    list.querySelector(each),
  );
  let cursor = null;

  async function look() {
    if (more?.ariaBusy === "true") return;
    notice.hidden = true;
    if (more) more.ariaBusy = "true";
    try {
      const page = await call("GET", `/v1/audit?${query(list, cursor)}`);
      const rows = page.results.map((entry) => row(list, entry));
      done.append(...rows);
      none.hidden = done.children.length > 0;
      if (cursor) rows[0]?.focus();
      cursor = page.next;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      notice.textContent = told(problem);
      notice.hidden = false;
    } finally {
      looking.hidden = true;
      if (more) Object.assign(more, { ariaBusy: "false", hidden: !cursor });
    }
  }

  more?.addEventListener("click", look);
  look();
}

function query(list, cursor) {
  const wanted = new URLSearchParams({ limit: list.dataset.audit });
  for (const name of ["actor", "user", "space", "type"]) {
    const value = list.getAttribute(`data-filter-${name}`);
    if (value) wanted.set(name, value);
  }
  const [since, until] = ["since", "until"].map((name) => list.getAttribute(`data-filter-${name}`));
  if (since) wanted.set("since", day(since, 0));
  if (until) wanted.set("until", day(until, 1));
  if (cursor) wanted.set("cursor", cursor);
  return wanted;
}

/** The instant that a day of here begins, or one so many days later; what is no day stays as it is: the API says so. */
function day(text, later) {
  const [year, month, date] = text.split("-").map(Number);
  const at = new Date(year, month - 1, date + later);
  return Number.isNaN(at.getTime()) ? text : at.toISOString();
}

function row(list, entry) {
  const made = list.querySelector("template").content.firstElementChild.cloneNode(true);
  const time = made.querySelector("time");
  time.dateTime = time.title = entry.at;
  time.textContent = exactInstant(entry.at);
  made.querySelector(".sentence").append(...sentence(entry));
  made.querySelector("code").textContent = JSON.stringify(entry.event, null, 2);
  return made;
}
