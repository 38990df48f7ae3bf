// The agents that are connected, live. One that goes stays in sight with the reason.

import { seen } from "./api.js";
import { ask, asking } from "./agent-asks.js";
import { path, put, showAgent, showState } from "./agent-cells.js";
import { ending, endingInOne } from "./agent-words.js";
import { arrange } from "./live-rows.js";
import { ownerName } from "./owners.js";
import { whileVisible } from "./polling.js";
import { duration } from "./request-words.js";
import { t, tn } from "./text.js";

const EVERY_MS = 2000;
const MANY = 8;
const SHOWN = 200;
/** Of so many agents each news is large: they are looked at every second time, of twice as many every third, and so on. */
const CROWD = 1000;
/** So many that have gone stay in sight, and so many ends are looked up at once. */
const KEPT = 50;
const AT_ONCE = 10;
/** How often it is looked up why an agent has moved. */
const TRIES = 10;
const some = document.getElementById("some");
const body = document.getElementById("agents").tBodies[0];
const filter = document.getElementById("filter");
const news = document.getElementById("news");
/** By id: the row of an agent, what was said of it last, and its end when it has gone. */
const known = new Map();
let begun = false;
/** So many turns are left out. */
let resting = 0;

const look = whileVisible(EVERY_MS, async () => {
  if (resting-- > 0) return;
  const answer = await seen("/v1/agents");
  document.getElementById("silent").hidden = answer !== null;
  if (answer === null) return;
  resting = Math.floor(answer.results.length / CROWD);
  take(answer.results);
  await Promise.all([...known.values()].filter(unexplained).slice(0, AT_ONCE).map((entry) => (entry.gone ? learn(entry) : learnOfMove(entry))));
  show();
  begun = true;
});

asking((deed, id) => {
  tell(deed === "drain" ? t("%(agent)s is draining.", { agent: nameOf(id) }) : t("%(agent)s is disconnected.", { agent: nameOf(id) }));
  resting = 0;
  look();
});
filter.addEventListener("input", show);

function take(agents) {
  const here = new Set(agents.map((agent) => agent.id));
  for (const agent of agents) {
    const entry = known.get(agent.id) ?? { row: row(agent.id) };
    if (begun && (!known.has(agent.id) || entry.gone)) tell(t("%(agent)s is connected.", { agent: nameOf(agent.id) }));
    if (entry.agent && entry.agent.connection !== agent.connection) Object.assign(entry, { former: entry.agent.connection, left: TRIES });
    known.set(agent.id, Object.assign(entry, { agent, gone: false, end: null }));
  }
  for (const [id, entry] of known) if (!here.has(id) && !entry.gone) leave(id, entry);
  const gone = [...known].filter(([, entry]) => entry.gone);
  for (const [id] of gone.slice(0, Math.max(0, gone.length - KEPT))) known.delete(id);
}

/** It is gone; behind those that went before. */
function leave(id, entry) {
  known.delete(id);
  known.set(id, Object.assign(entry, { gone: true }));
}

const unexplained = ({ gone, end, former }) => (gone ? !end : former);

/** Why an agent has gone. Until that is recorded there is nothing to say. */
async function learn(entry) {
  entry.end = await endOf(entry.agent.id, entry.agent.connection);
  if (entry.end) tell(`${t("%(agent)s is gone.", { agent: nameOf(entry.agent.id) })} ${ending(entry.end.cause)[0]}`);
}

/** Why an agent has another connection than before. */
async function learnOfMove(entry) {
  const end = await endOf(entry.agent.id, entry.former);
  if (end) entry.before = t("Reconnected: %(reason)s", { reason: ending(end.cause)[0] });
  entry.left -= 1;
  if (end || entry.left === 0) entry.former = null;
}

async function endOf(id, connection) {
  const found = await seen(`/v1/connections?${new URLSearchParams({ agent: id, limit: 5 })}`);
  return found?.results.find((each) => each.id === connection && each.disconnected_at) ?? null;
}

function show() {
  const words = filter.value.trim().toLowerCase();
  const entries = [...known.values()].sort((one, other) => (one.agent.id < other.agent.id ? -1 : 1));
  const fitting = entries.filter(({ agent }) => searched(agent).includes(words));
  const rows = fitting.slice(0, SHOWN).map(filled);
  arrange(body, rows);
  const none = entries.length === 0;
  document.getElementById("looking")?.remove();
  document.getElementById("none").hidden = !none;
  document.getElementById("find").hidden = entries.length < MANY;
  some.hidden = none;
  totals(entries.filter(({ gone }) => !gone).map(({ agent }) => agent));
  rest(fitting.length - rows.length, fitting.length === 0 && !none);
}

function filled({ row, agent, gone, end, before }) {
  row.classList.toggle("spent", gone);
  for (const button of row.querySelectorAll("button")) button.hidden = gone;
  if (!gone) {
    showAgent(row, agent);
    put(row, "version", agent.version ?? "");
    if (before && agent.state === "ready") put(row, "why", before);
    return row;
  }
  showState(row, "gone");
  put(row, "why", end ? endingInOne(end.cause) : "");
  put(row, "since", end ? t("lasted %(time)s", { time: duration(end.connected_s) }) : "–");
  put(row, "trip", "–");
  put(row, "slots", "–");
  row.querySelector("progress").value = 0;
  return row;
}

function row(id) {
  const [owner, name] = id.split("/");
  const made = document.getElementById("agent-row").content.firstElementChild.cloneNode(true);
  put(made, "name", name).href = `/agents/${path(id)}`;
  put(made, "owner", ownerName(owner));
  for (const button of made.querySelectorAll("button")) {
    button.setAttribute("aria-label", button.dataset.asks === "drain" ? t("Drain %(agent)s", { agent: name }) : t("Disconnect %(agent)s", { agent: name }));
    button.addEventListener("click", () => ask(button.dataset.asks, id));
  }
  return made;
}

function searched({ id, spaces, labels, gateway, address, version }) {
  return [id, ownerName(id.split("/")[0]), ...spaces, ...Object.entries(labels ?? {}).flat(), gateway, address, version].join(" ").toLowerCase();
}

function totals(agents) {
  const sum = (member) => agents.reduce((total, agent) => total + agent[member], 0);
  const told = { agents: agents.length, ready: agents.filter(({ state }) => state === "ready").length, slots: `${sum("running")} / ${sum("slots")}` };
  for (const [name, text] of Object.entries(told)) document.querySelector(`[data-total=${name}]`).textContent = text;
}

function rest(left, nothing) {
  const more = document.getElementById("more");
  more.hidden = left === 0 && !nothing;
  const text = nothing ? t("None fits.") : tn("%(num)s more: say which ones you look for.", "%(num)s more: say which ones you look for.", left);
  if (!more.hidden && more.textContent !== text) more.textContent = text;
}

const nameOf = (id) => id.split("/")[1];

function tell(text) {
  news.textContent = text;
}
