// The cells that show an agent, in a row or on a page of its own.

import { since, stateMeaning, stateName, trip } from "./agent-words.js";
import { instant } from "./text.js";

const LOOKS = { ready: "ok", loading: "degraded", draining: "degraded" };

/** Put a text where it is not yet: what has not changed stays selected, and is not read out again. */
export function put(within, name, text) {
  const cell = within.querySelector(`[data-cell=${name}]`);
  if (cell && cell.textContent !== text) cell.textContent = text;
  return cell;
}

export function showState(within, state) {
  put(within, "state", stateName(state)).dataset.state = LOOKS[state] ?? state;
  put(within, "why", stateMeaning(state));
}

/** All that is known of an agent that is connected. */
export function showAgent(within, agent) {
  showState(within, agent.state);
  Object.assign(within.querySelector("[data-cell=used]"), { max: agent.slots, value: agent.running });
  put(within, "slots", `${agent.running} / ${agent.slots}`);
  put(within, "gateway", agent.gateway);
  put(within, "address", agent.address ?? "");
  put(within, "trip", trip(agent.round_trip_s));
  const begun = put(within, "since", agent.connected_at ? since(agent.connected_at) : "–");
  if (agent.connected_at) begun.title = instant(agent.connected_at);
  links(within.querySelector("[data-cell=spaces]"), agent.spaces);
  tags(within.querySelector("[data-cell=labels]"), agent.labels ?? {});
}

/** Links to spaces, made anew only when they are others. */
export function links(cell, spaces) {
  if (cell.dataset.shown === spaces.join()) return;
  cell.dataset.shown = spaces.join();
  cell.replaceChildren(...spaces.flatMap((space, n) => (n ? [", ", link(space)] : [link(space)])));
}

function link(space) {
  const made = document.createElement("a");
  made.href = `/spaces/${encodeURIComponent(space)}`;
  made.textContent = space;
  return made;
}

function tags(cell, labels) {
  const texts = Object.entries(labels).map(([name, value]) => (value ? `${name}: ${value}` : name));
  if (cell.dataset.shown === JSON.stringify(texts)) return;
  cell.dataset.shown = JSON.stringify(texts);
  cell.replaceChildren(...texts.map((text) => Object.assign(document.createElement("span"), { className: "tag", textContent: text })));
}

/** The path of an agent's page, or of what the API has of it. */
export const path = (id) => id.split("/").map(encodeURIComponent).join("/");
