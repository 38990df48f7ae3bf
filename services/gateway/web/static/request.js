// One request: its output and log as they come, and what the server makes of its events, again and again until it has ended.

import { seen, told } from "./api.js";
import { tree } from "./json-tree.js";
import { follow } from "./live-request.js";
import { whileVisible } from "./polling.js";
import { place, statusName, waitReason } from "./request-words.js";
import { Output, showLog, showProgress } from "./result.js";
import { served } from "./served.js";
import { t } from "./text.js";

const EVERY_MS = 2000;
const MOST_SAID = 1000;
const $ = (id) => document.getElementById(id);
const page = document.querySelector("[data-request]");
const id = page.dataset.request;
const erased = !$("output");
/** The parts of the page as the server has made them last. */
const parts = new Map();
let over = page.dataset.done === "yes";
let stage = page.dataset.stage;
let stale = false;

$("raw").addEventListener("toggle", () => $("raw").open && showRaw());
const look = whileVisible(EVERY_MS, refresh);
if (!erased) followed();

function followed() {
  const output = new Output($("output"));
  const input = new Output($("input"));
  let given = null;
  let last = null;
  const end = follow(id, (state, link, problem) => {
    $("link").textContent = linkText(link, problem);
    $("why").textContent = state.queue ? [waitReason(state.queue.reason), place(state.queue)].filter(Boolean).join(" ") : "";
    // Each reading of the request brings an equal one: that of the first stays, and what is open in it.
    if (state.request) input.whole((given ??= state.request.input), `input-${id}`);
    showOutput(output, state);
    showLines(state);
    showProgress($("progress"), state.progress);
    if (link === "live" && state.progress && state.progress !== last) said(state.attempts.length, state.progress);
    last = state.progress;
    changed(state.status, `${state.status} ${state.attempts.length}`);
    if (state.done && !state.log.length) showTail();
  });
  addEventListener("pagehide", end);
}

function linkText(link, problem) {
  if (problem) return told(problem);
  return link === "reconnecting" ? t("The connection is lost. It goes on by itself as soon as it is back.") : "";
}

function showOutput(output, state) {
  if (state.status === "succeeded" && state.done) output.whole(state.request.output, `output-${id}`);
  else output.live(state.chunks);
  const none = $("output").childElementCount === 0;
  $("no-output").hidden = !none;
  if (state.done) $("no-output").textContent = t("There is none.");
}

function showLines({ log }) {
  $("log-card").hidden = !log.length;
  showLog($("log"), log);
}

/** What the outcome has of the log: its lines themselves are kept for an hour. */
async function showTail() {
  const log = await recorded();
  const tail = log?.results.map(({ data }) => data.log_tail ?? "").join("");
  if (tail) showLines({ log: tail.split("\n") });
}

function said(attempt, { fraction, message }) {
  const line = document.createElement("li");
  const texts = [t("Attempt %(number)s", { number: attempt }), `${Math.floor(fraction * 100)} %`, message];
  line.append(
    ...texts.map((text, number) => {
      const cell = document.createElement("span");
      cell.textContent = text;
      cell.translate = number === 0;
      return cell;
    }),
  );
  $("said-card").hidden = false;
  if ($("said").childElementCount < MOST_SAID) $("said").append(line);
}

function changed(status, now) {
  if (now === stage || !status) return;
  stage = now;
  $("announced").textContent = statusName(status); // the parts that are replaced would not be read out
  stale = true;
  look();
}

/** Take what the server makes of the request now. */
async function refresh() {
  if (over && !stale) return;
  stale = false;
  const made = await served(location.pathname + location.search);
  if (!made) return (stale = true);
  for (const part of made.querySelectorAll("[data-part]")) replace(part);
  over = made.querySelector("[data-request]").dataset.done === "yes";
  for (const there of page.querySelectorAll("[data-when]")) {
    there.hidden = made.querySelector(`[data-when=${there.dataset.when}]`).hidden;
    if (there.hidden) there.querySelector("dialog[open]")?.close();
  }
  $("again").textContent = made.getElementById("again").textContent;
  if ($("raw").open) showRaw();
}

function replace(part) {
  const name = part.dataset.part;
  if (parts.get(name)?.isEqualNode(part)) return;
  parts.set(name, part.cloneNode(true));
  page.querySelector(`[data-part=${name}]`).replaceWith(document.adoptNode(part));
}

async function showRaw() {
  const log = await recorded();
  if (!log) return void ($("events-json").textContent ||= t("The events cannot be read right now."));
  const text = JSON.stringify(log, null, 2);
  if ($("events-json").textContent === text) return;
  $("events-json").textContent = text;
  const known = new Set([...$("events").children].map(({ dataset }) => dataset.key));
  for (const event of [...log.results, ...(log.refused ?? [])]) {
    const key = `${event.seq ?? "refused"} ${event.at}`;
    if (!known.has(key)) $("events").append(rawEvent(key, event));
  }
}

/** An event that opens; what is open stays so when others come. */
function rawEvent(key, event) {
  const item = document.createElement("li");
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  item.dataset.key = key;
  item.translate = false;
  summary.textContent = [event.seq, event.type ?? "refused", event.at].filter((each) => each !== undefined).join(" ");
  details.append(summary);
  details.addEventListener("toggle", () => details.childElementCount === 1 && details.append(tree(event)));
  item.append(details);
  return item;
}

const recorded = () => seen(`/v1/requests/${id}/log`);
