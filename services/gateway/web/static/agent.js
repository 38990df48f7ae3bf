// One agent, live: what it does, where it is, what it did, and its connections.

import { call, Problem, seen } from "./api.js";
import { ask, asking } from "./agent-asks.js";
import { links, path, put, showAgent, showState } from "./agent-cells.js";
import { endingInOne, heldName } from "./agent-words.js";
import { showConnections } from "./connection-rows.js";
import { showRows } from "./live-rows.js";
import { whileVisible } from "./polling.js";
import { duration, statusName } from "./request-words.js";
import { instant, t } from "./text.js";

const NOW_MS = 2000;
const PAST_MS = 6000;
const ROWS = 10;
const page = document.getElementById("agent");
const id = `${page.dataset.owner}/${page.dataset.name}`;
let agent = null;
let last = null;

const look = whileVisible(NOW_MS, async () => {
  // Whether it is there its history knows too: then it is not asked for in vain, again and again.
  const told = await lookBack();
  agent = told && last && !last.disconnected_at ? await found() : null;
  if (!told || agent === undefined) return showState(page, "unseen");
  for (const part of page.querySelectorAll("[data-while=here]")) part.hidden = agent === null;
  if (agent) showHere();
  else showAway();
  showHeld(agent?.requests ?? []);
});

whileVisible(PAST_MS, lookAtRequests);

asking(look);
for (const button of document.querySelectorAll("[data-asks]")) {
  button.addEventListener("click", () => ask(button.dataset.asks, id));
}

/** The agent; null when it is not connected, undefined when that cannot be told now. */
async function found() {
  try {
    return await call("GET", `/v1/agents/${path(id)}`);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return problem.code === "not_found" ? null : undefined;
  }
}

function showHere() {
  showAgent(page, agent);
  put(page, "version", agent.version || "–");
  put(page, "address", agent.address || "–");
}

function showAway() {
  showState(page, "away");
  put(page, "why", last?.disconnected_at ? endingInOne(last.cause) : "");
}

function showHeld(requests) {
  const table = document.getElementById("held");
  table.hidden = requests.length === 0;
  showRows(table, "held-row", requests, (row, request) => {
    title(row, request.id, request.url !== null);
    links(row.querySelector("[data-cell=space]"), request.space ? [request.space] : []);
    put(row, "state", heldName(request.state));
    put(row, "attempt", String(request.attempt));
    put(row, "running", request.state === "sent" ? "–" : duration(request.running_s));
  });
  const idle = document.getElementById("idle");
  idle.hidden = requests.length > 0;
  const text = agent ? t("Nothing: all its slots are free.") : t("It is not connected.");
  if (idle.textContent !== text) idle.textContent = text;
}

/** Look at its connections; whether that could be done. */
async function lookBack() {
  const history = await seen(`/v1/connections?${new URLSearchParams({ agent: id, limit: ROWS })}`);
  if (!history) return false;
  last = history.results[0] ?? null;
  showConnections(history.results);
  document.getElementById("no-connections").hidden = history.results.length > 0;
  return true;
}

async function lookAtRequests() {
  const list = await seen("/v1/requests?limit=100");
  if (!list) return;
  const own = list.results.filter((request) => request.agent?.id === id).slice(0, ROWS);
  const table = document.getElementById("last");
  table.hidden = own.length === 0;
  document.getElementById("no-last").hidden = own.length > 0;
  showRows(table, "last-row", own, (row, request) => {
    title(row, request.id, true);
    links(row.querySelector("[data-cell=space]"), [request.space]);
    put(row, "status", statusName(request.status)).dataset.status = request.status;
    put(row, "created", instant(request.created_at)).dateTime = request.created_at;
    put(row, "ran", request.metrics.run_s === null ? "–" : duration(request.metrics.run_s));
  });
}

function title(row, request, readable) {
  const link = put(row, "id", request);
  if (readable) link.href = `/requests/${request}`;
  else link.title = t("Somebody else's request.");
}
