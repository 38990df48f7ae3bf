// The list of requests: its filters are in the address, its rows turn live, and new ones are announced.

import { call, Problem, told } from "./api.js";
import { whileVisible } from "./polling.js";
import { address, asked, choose, chosen, filtered, onPage } from "./request-list.js";
import { fill, short } from "./request-row.js";
import { t, tn } from "./text.js";

const EVERY_MS = 2000;
const TYPING_MS = 400;
const $ = (id) => document.getElementById(id);
const form = $("filters");
/** Where there is room the other filters need no opening. */
const wide = matchMedia("(width > 48rem)");
/** The rows of the page by request, in order, each with the request as it was seen last. */
const rows = new Map();
let query = asked(location.search);
let more = false;
let loads = 0;
let loaded = false;
let typing;

choose(form, query);
$("more").open = wide.matches || filtered(query);
wide.addEventListener("change", () => ($("more").open ||= wide.matches));
whileVisible(EVERY_MS, look);

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", () => go(chosen(form)));
form.elements.user?.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => go(chosen(form)), TYPING_MS);
});
addEventListener("popstate", () => {
  query = asked(location.search);
  choose(form, query);
  load();
});
for (const id of ["newer", "older"]) {
  $(id).addEventListener("click", (event) => {
    event.preventDefault();
    go(asked(new URL($(id).href).search));
    $("title").focus();
  });
}

function go(wanted) {
  if (String(wanted) === String(query)) return;
  query = wanted;
  history.pushState(null, "", address(query));
  load();
}

function page(wanted) {
  return call("GET", `/v1/requests?${wanted}`);
}

/** Show the page that the address names. */
async function load() {
  const mine = (loads += 1);
  $("clear").hidden = !filtered(query);
  try {
    const found = await page(query);
    if (mine === loads) show(found);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (mine === loads) complain(problem);
  }
}

function show(found) {
  loaded = true;
  more = found.next !== null;
  rows.clear();
  for (const request of found.results) rows.set(request.id, made(request));
  $("rows").replaceChildren(...[...rows.values()].map(({ row }) => row));
  lead("newer", found.previous);
  lead("older", found.next);
  $("pager").hidden = $("newer").hidden && $("older").hidden;
  $("list").hidden = rows.size === 0;
  const narrowed = filtered(query) || query.has("cursor");
  $("none").hidden = rows.size > 0 || narrowed;
  $("none-fits").hidden = rows.size > 0 || !narrowed;
  $("loading")?.remove();
  $("trouble").hidden = true;
  announce([], false);
}

function lead(id, cursor) {
  $(id).hidden = cursor === null || (id === "newer" && !query.has("cursor"));
  $(id).href = address(onPage(query, cursor));
}

function made(request) {
  const row = $("row").content.firstElementChild.cloneNode(true);
  fill(row, request);
  for (const button of row.querySelectorAll("[data-does]")) {
    button.addEventListener("click", () => (button.dataset.does === "cancel" ? askToCancel(request.id) : retry(request.id, button)));
  }
  return { row, request };
}

/** Look what has become of the rows, and whether there are new ones. */
async function look() {
  if (!loaded) return load();
  const mine = loads;
  const newest = !query.has("cursor");
  const open = [...rows.values()].filter(({ request }) => !request.done).map(({ request }) => request.id);
  if (!newest && !open.length) return;
  try {
    const found = await page(query);
    const there = new Set(found.results.map(({ id }) => id));
    const left = await Promise.all(open.filter((id) => !there.has(id)).map((id) => call("GET", `/v1/requests/${id}`)));
    if (mine !== loads) return;
    $("trouble").hidden = true;
    [...found.results, ...left].forEach(update);
    if (newest) arrived(found);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (mine === loads) complain(problem);
  }
}

function update(request) {
  const known = rows.get(request.id);
  if (!known) return;
  known.request = request;
  fill(known.row, request);
}

function arrived(found) {
  const last = [...rows.values()].at(-1)?.request.created_at ?? "";
  // Where rows have left the list because of its filters, older ones have come up from the next page.
  const fresh = found.results.filter(({ id, created_at }) => !rows.has(id) && (!more || created_at > last));
  if (fresh.length && !rows.size) show(found);
  else announce(fresh, fresh.length === found.results.length && found.next !== null);
}

function announce(fresh, all) {
  const place = $("happened");
  const button = place.querySelector("button");
  if (!fresh.length) return button?.remove();
  const text = all
    ? t("More than %(num)s new requests – show", { num: fresh.length })
    : tn("%(num)s new request – show", "%(num)s new requests – show", fresh.length);
  if (button?.textContent === text) return;
  const shown = button ?? document.createElement("button");
  shown.textContent = text;
  if (button) return;
  shown.type = "button";
  shown.className = "button small";
  shown.addEventListener("click", async () => {
    const before = new Set(rows.keys());
    await load();
    for (const [id, { row }] of rows) if (!before.has(id)) row.classList.add("fresh");
    $("title").focus();
  });
  place.append(shown);
}

function askToCancel(id) {
  const dialog = $("canceling");
  dialog.returnValue = "";
  dialog.showModal();
  dialog.onclose = () => dialog.returnValue === "yes" && cancel(id);
}

async function cancel(id) {
  await acting(async () => {
    update(await call("POST", `/v1/requests/${id}/cancel`));
    say(t("Request %(id)s is canceled.", { id: short(id) }), id);
  });
  rows.get(id)?.row.querySelector("[data-cell=id]").focus();
}

async function retry(id, button) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  await acting(async () => {
    const made = await call("POST", `/v1/requests/${id}/retry`);
    say(t("The same input is submitted again, as request %(id)s.", { id: short(made.id) }), made.id);
    if (!query.has("cursor")) await look();
  });
  button.ariaBusy = "false";
}

async function acting(act) {
  try {
    await act();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    say(told(problem), null, "bad");
  }
}

/** Say what was done, with a link to the request that it is about. */
function say(text, id, kind = "good") {
  const notice = document.createElement("p");
  notice.className = `notice ${kind}`;
  notice.textContent = text;
  if (id) {
    const link = document.createElement("a");
    link.href = `/requests/${id}`;
    link.textContent = t("Show it");
    notice.append(" ", link);
  }
  $("happened").querySelector(".notice")?.remove();
  $("happened").prepend(notice);
}

/** Why the list cannot be shown, or is not what it was a moment ago. */
function complain(problem) {
  const meant = ["invalid_request", "invalid_cursor", "not_found", "forbidden"].includes(problem.code);
  $("trouble").textContent = meant ? t("The list cannot be filtered like that: a filter does not exist, or you may not use it.") : told(problem);
  $("trouble").hidden = false;
  if (!meant) return;
  loaded = true;
  rows.clear();
  $("loading")?.remove();
  for (const id of ["list", "pager", "none"]) $(id).hidden = true;
  $("none-fits").hidden = false;
}
