// How a space is, as the API says it, in words.

import { seen } from "./api.js";
import { t } from "./text.js";

/** The health of a space; null when it cannot be told. */
export const health = (space) => seen(`/v1/spaces/${space}/health`);

/** Show it in an element of a page. */
export function showHealth(element, found) {
  const status = found?.status ?? "unknown";
  element.querySelector("[data-state]").dataset.state = status;
  element.querySelector("[data-state-name]").textContent = name(status);
  for (const number of element.querySelectorAll("[data-number]")) number.textContent = value(number.dataset.number, found);
  const reason = element.querySelector("[data-reason]");
  if (reason && reason.textContent !== why(found)) reason.textContent = why(found);
}

function name(status) {
  switch (status) {
    case "ok":
      return t("Ready");
    case "no_agent":
      return t("No agent");
    case "degraded":
      return t("Degraded");
    case "paused":
      return t("Paused");
    case "disabled":
      return t("Disabled");
    default:
      return t("No answer");
  }
}

function value(number, found) {
  if (number !== "success") return String(found?.[number] ?? "–");
  const rate = found?.success_rate ?? null;
  return rate === null ? "–" : `${Math.floor(rate * 100)} %`;
}

/** What to know, or to do, when a space is not well. */
function why(found) {
  switch (found?.status) {
    case "ok":
      return "";
    case "no_agent":
      return t("No agent is connected: requests wait until there is one.");
    case "paused":
      return t("Requests wait until the space is resumed.");
    case "disabled":
      return t("Submissions are refused until the space is enabled.");
    case "degraded":
      return trouble(found);
    default:
      return t("How the space is cannot be seen right now. Looking again …");
  }
}

function trouble(found) {
  if (found.agents === null) return t("The dispatcher of the space does not answer. Looking again …");
  if (found.agents > 0 && found.slots === 0) return t("The agents that are connected are not ready: they load, or drain.");
  if (found.success_rate !== null && found.success_rate < 0.9) return t("Many requests of the last hour have failed.");
  return t("The queue is full.");
}
