// The page where one uses a space: the form, the request that it has made, and the code that would make it.

import { call, LEAVES, Problem, told, user } from "./api.js";
import { codeTabs } from "./code-tabs.js";
import * as options from "./fields.js";
import { follow } from "./live-request.js";
import { check, fill, inputOf, pending, showFlaws } from "./input.js";
import { watchReadiness } from "./readiness.js";
import { RequestView } from "./request-view.js";
import { t, tn } from "./text.js";

const part = (id) => document.getElementById(id);
const page = part("use");
const path = `/v1/spaces/${page.dataset.space}/requests`;
const [form, policy, submit, refusal, undone] = ["submission", "options", "submit", "refusal", "undone"].map(part);
const input = form.querySelector("[data-input]");
const [{ responseStart }] = performance.getEntriesByType("navigation");
const view = new RequestView(performance.timeOrigin + responseStart - Date.parse(page.dataset.now));
let current = null;
let end = () => {};
const submits = "submits" in page.dataset;
let ready = submits;
/** A submission that was not answered is sent again under the same key: it is made once. */
let key = null;
let touched = false;

/** Under which name this tab keeps what its user has filled in while they sign in again. */
const draft = `${user} ${page.dataset.space}`;

const shown = () => new URLSearchParams(location.search).get("request");
const link = (id) => `${location.pathname}?${new URLSearchParams({ request: id })}`;

/** What the form would submit; undefined while that is nothing. */
function submission() {
  const value = inputOf(input);
  const asked = options.body(policy);
  return value && { gateway: page.dataset.gateway, space: page.dataset.space, body: { input: value, ...(asked && { policy: asked }) } };
}

const changed = codeTabs(submission);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (ready && form.ariaBusy !== "true") send();
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
for (const name of ["input", "inputchange"]) {
  form.addEventListener(name, () => {
    touched = true;
    key = null;
    showPending();
    changed();
  });
}

async function send() {
  refusal.hidden = true;
  const well = [check(input), options.check(policy)].every(Boolean);
  if (!well || pending(input)) return;
  key ??= crypto.getRandomValues(new Uint32Array(4)).join("-");
  await tried(form, refusal, async () => begin(await call("POST", path, submission().body, { "Idempotency-Key": key })));
}

/** Do what calls the API, unless it is being done, and say what it refuses. */
async function tried(busy, notice, deed) {
  if (busy.ariaBusy === "true") return;
  notice.hidden = true;
  busy.ariaBusy = "true";
  try {
    await deed();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    notice.textContent = [told(problem), ...flaws(problem)].join(" ");
    notice.hidden = false;
  } finally {
    busy.ariaBusy = "false";
  }
}

function flaws(problem) {
  const lost = showFlaws(input, problem).map(({ pointer, detail }) => ({ pointer: pointer.replace(/^\/policy/, ""), detail }));
  return options.show(policy, lost).map(({ pointer, detail }) => `${pointer} ${detail}`);
}

/** Follow a request that was just made; its address is the page's from now on. */
function begin(request) {
  key = null;
  history.pushState(null, "", link(request.id));
  go();
  part("request").focus({ preventScroll: true });
  const { top } = part("request").getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) part("request").scrollIntoView();
}

/** Show the request that the address names. */
function go() {
  end();
  current = null;
  undone.hidden = true;
  cancelSays(t("Cancel"));
  const id = shown();
  if (!id) return view.empty();
  end = follow(id, (state, how, problem) => {
    if (state.request && state.request.space !== page.dataset.space) return elsewhere(state.request);
    if (!current && state.request?.input && !touched) refill(state.request.input);
    current = state.request;
    view.show(state, how, problem);
  });
}

function elsewhere({ space, id }) {
  end();
  location.replace(`/spaces/${encodeURIComponent(space)}?${new URLSearchParams({ request: id })}`);
}

function refill(value) {
  fill(input, value);
  touched = false;
}

addEventListener(LEAVES, () => {
  const typed = touched && inputOf(input);
  if (typed) sessionStorage.setItem(draft, JSON.stringify(typed));
});

/** Fill in what was kept, once. */
function resume() {
  const kept = sessionStorage.getItem(draft);
  if (kept) fill(input, JSON.parse(kept)); // from now on it is touched
  sessionStorage.removeItem(draft);
}

function showPending() {
  const number = pending(input);
  submit.disabled = !ready || number > 0;
  part("uploading").textContent = number ? tn("A file is still on its way.", "%(num)s files are still on their way.", number) : "";
}

const cancelSays = (text) => (part("cancel").querySelector("[data-said]").textContent = text);

part("cancel").addEventListener("click", () =>
  tried(part("cancel"), undone, async () => {
    cancelSays(t("Canceling …"));
    try {
      await call("POST", `/v1/requests/${shown()}/cancel`);
    } catch (problem) {
      cancelSays(t("Cancel"));
      if (problem.code !== "already_done") throw problem;
    }
  }),
);
part("again")?.addEventListener("click", () => current && tried(part("again"), undone, async () => begin(await call("POST", `/v1/requests/${current.id}/retry`))));
part("edit")?.addEventListener("click", () => {
  if (!current) return;
  refill(current.input);
  part("input-title").scrollIntoView({ block: "nearest" });
  [...input.querySelectorAll("textarea, input, select, button")].find((each) => each.checkVisibility())?.focus();
});

addEventListener("popstate", go);
watchReadiness(page, (takes) => {
  ready = submits && takes;
  showPending();
});
resume();
go();
