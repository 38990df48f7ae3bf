// Connections of agents as rows: when, how long, and how they ended.

import { links, path, put } from "./agent-cells.js";
import { ending, since } from "./agent-words.js";
import { showRows } from "./live-rows.js";
import { ownerName } from "./owners.js";
import { duration } from "./request-words.js";
import { instant, t } from "./text.js";

const table = document.getElementById("connections");

/** Show these, and nothing else. Rows that are there already stay. */
export function showConnections(connections) {
  table.hidden = connections.length === 0;
  showRows(table, "connection-row", connections, fill);
}

function fill(row, connection) {
  const over = connection.disconnected_at !== null;
  const [ended, advice] = over ? ending(connection.cause) : ["", ""];
  const at = put(row, "connected_at", instant(connection.connected_at));
  at.dateTime = at.title = connection.connected_at;
  put(row, "lasted", over ? t("lasted %(time)s", { time: duration(connection.connected_s) }) : since(connection.connected_at));
  put(row, "ended", ended);
  put(row, "reason", over ? `${connection.reason} (${connection.code})` : "");
  put(row, "advice", advice);
  const lasts = row.querySelector("[data-cell=lasts]");
  lasts.hidden = over;
  lasts.dataset.state = "ok";
  put(row, "gateway", connection.gateway);
  put(row, "address", connection.address);
  whose(row, connection);
}

function whose(row, { agent, spaces }) {
  const [owner, name] = agent.split("/");
  const link = put(row, "agent", name);
  if (!link) return;
  link.href = `/agents/${path(agent)}`;
  put(row, "owner", ownerName(owner));
  links(row.querySelector("[data-cell=spaces]"), spaces);
}
