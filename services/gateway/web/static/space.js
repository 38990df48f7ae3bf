// A space turns live: how it is, its agents, and the one that is about to be connected.

import { seen } from "./api.js";
import { health, showHealth } from "./health.js";
import { whileVisible } from "./polling.js";
import { t } from "./text.js";

const EVERY_MS = 2000;
const space = document.querySelector("[data-space]");
const path = `/v1/spaces/${space.dataset.space}`;
const table = document.getElementById("agents");
const form = document.getElementById("agent-key");
const connected = document.getElementById("connected");
/** The connections that were there before a key was made; null as long as none was. */
let before = null;
/** Those that are connected, as far as that was told. */
let agents = [];

whileVisible(EVERY_MS, async () => {
  showHealth(space, await health(space.dataset.space));
  const told = await seen(`${path}/agents`);
  if (!told) return;
  agents = told.results;
  showAgents();
  showConnected();
});

form?.addEventListener("done", ({ detail: key }) => {
  before = new Set(agents.map((agent) => agent.connection));
  const { gateway, spaceName } = form.dataset;
  document.getElementById("command").textContent =
    `WS_AGENT_KEY=${key.secret} \\\n  spaces-agent run --url ${gateway} --space ${spaceName} --engine echo`;
});

function showAgents() {
  table.hidden = agents.length === 0;
  document.getElementById("no-agents").hidden = agents.length > 0;
  table.tBodies[0].replaceChildren(...agents.map(row));
}

function row(agent) {
  const made = document.getElementById("agent-row").content.cloneNode(true);
  const cells = { id: agent.id, state: state(agent.state), slots: `${agent.running} / ${agent.slots}`, gateway: agent.gateway };
  for (const [name, text] of Object.entries(cells)) made.querySelector(`[data-cell=${name}]`).textContent = text;
  return made;
}

function state(name) {
  return { loading: t("loading"), ready: t("ready"), draining: t("draining") }[name] ?? name;
}

function showConnected() {
  const found = before && agents.find((agent) => !before.has(agent.connection));
  if (!found || connected.dataset.connected === "yes") return;
  connected.dataset.connected = "yes";
  connected.querySelector("[data-said]").textContent = t("Connected: %(agent)s", { agent: found.id });
}
