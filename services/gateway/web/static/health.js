// How a space is, as the API says it, in words.

import { call, Problem } from "./api.js";
import { t } from "./text.js";

/** The health of a space; null while nobody answers. Throws Problem when there is no such space. */
export async function health(space) {
  try {
    return await call("GET", `/v1/spaces/${space}/health`);
  } catch (problem) {
    if (problem instanceof Problem && problem.code !== "not_found") return null;
    throw problem;
  }
}

/** Show it in an element of a page. */
export function showHealth(element, seen) {
  const status = seen?.status ?? "unknown";
  element.querySelector("[data-state]").dataset.state = status;
  element.querySelector("[data-state-name]").textContent = name(status);
  for (const number of element.querySelectorAll("[data-number]")) number.textContent = value(number.dataset.number, seen);
  const reason = element.querySelector("[data-reason]");
  if (reason && reason.textContent !== why(seen)) reason.textContent = why(seen);
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

function value(number, seen) {
  if (number !== "success") return String(seen?.[number] ?? "–");
  const rate = seen?.success_rate ?? null;
  return rate === null ? "–" : `${Math.floor(rate * 100)} %`;
}

/** What to know, or to do, when a space is not well. */
function why(seen) {
  switch (seen?.status) {
    case "ok":
      return "";
    case "no_agent":
      return t("No agent is connected: requests wait until there is one.");
    case "paused":
      return t("Requests wait until the space is resumed.");
    case "disabled":
      return t("Submissions are refused until the space is enabled.");
    case "degraded":
      return trouble(seen);
    default:
      return t("How the space is cannot be seen right now. Looking again …");
  }
}

function trouble(seen) {
  if (seen.agents === null) return t("The dispatcher of the space does not answer. Looking again …");
  if (seen.agents > 0 && seen.slots === 0) return t("The agents that are connected are not ready: they load, or drain.");
  if (seen.success_rate !== null && seen.success_rate < 0.9) return t("Many requests of the last hour have failed.");
  return t("The queue is full.");
}
