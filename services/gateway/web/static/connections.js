// The history of connections, page by page, live.

import { call, Problem, told } from "./api.js";
import { showConnections } from "./connection-rows.js";
import { whileVisible } from "./polling.js";

const EVERY_MS = 4000;
const asked = new URLSearchParams(location.search);
const silent = document.getElementById("silent");

whileVisible(EVERY_MS, async () => {
  const page = await read();
  document.getElementById("looking")?.remove();
  if (page === null) return;
  showConnections(page.results);
  document.getElementById("some").hidden = page.results.length === 0;
  document.getElementById("none").hidden = page.results.length > 0;
  turnTo("older", page.next);
  turnTo("newer", asked.has("cursor") ? page.previous : null);
});

async function read() {
  const query = new URLSearchParams();
  for (const name of ["agent", "space", "cursor"]) if (asked.get(name)) query.set(name, asked.get(name));
  try {
    const page = await call("GET", `/v1/connections?${query}`);
    silent.hidden = true;
    return page;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    silent.textContent = told(problem);
    silent.hidden = false;
    return null;
  }
}

function turnTo(id, cursor) {
  const link = document.getElementById(id);
  link.hidden = !cursor;
  if (!cursor) return;
  const query = new URLSearchParams([...asked].filter(([name, value]) => value && ["agent", "space"].includes(name)));
  query.set("cursor", cursor);
  link.href = `/connections?${query}`;
}
