// One row of the list of requests.

import { duration, failure, statusName } from "./request-words.js";
import { instant, t } from "./text.js";

const SHORT = 8;

/** The end of an id, which tells requests apart at a glance. */
export const short = (id) => id.slice(-SHORT);

/** Show a request in its row. */
export function fill(row, request) {
  const cell = (name) => row.querySelector(`[data-cell=${name}]`);
  const link = cell("id");
  link.href = `/requests/${request.id}`;
  link.title = request.id;
  const space = cell("space");
  space.href = `/spaces/${request.space}`;
  const texts = {
    id: short(request.id),
    space: request.space,
    status: statusName(request.status),
    error: request.error ? failure(request.error) : "",
    queued: said(request.metrics.queue_s),
    ran: said(request.metrics.run_s),
    attempts: String(request.attempt),
    created: instant(request.created_at),
  };
  if (cell("user")) texts.user = email(request.user);
  for (const [name, text] of Object.entries(texts)) if (cell(name).textContent !== text) cell(name).textContent = text;
  cell("status").dataset.status = request.status;
  cell("error").hidden = !request.error;
  cell("created").dateTime = request.created_at;
  cell("created").title = request.created_at;
  cell("retry").hidden = !request.retry_of;
  if (request.retry_of) {
    cell("retry").href = `/requests/${request.retry_of}`;
    cell("retry_of").textContent = short(request.retry_of);
  }
  offer(row, request);
}

/** The deeds that the API allows. */
function offer(row, { id, done, status, erased }) {
  row.querySelector("[data-does=cancel]").hidden = done;
  const retry = row.querySelector("[data-does=retry]");
  retry.hidden = !done || erased;
  retry.textContent = status === "succeeded" ? t("Run again") : t("Retry");
  for (const button of row.querySelectorAll("[data-does]")) {
    button.ariaLabel = t("%(deed)s: %(id)s", { deed: button.textContent, id: short(id) });
  }
}

const said = (seconds) => (seconds === null ? "–" : duration(seconds));

function email(user) {
  return document.querySelector(`#users option[data-id="${CSS.escape(user)}"]`)?.value ?? user;
}
