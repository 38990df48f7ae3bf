// What a request is doing, why, and what to do about it, in words.

import { known, t, tn } from "./text.js";

/** A status; a new one that there may be one day is called what the API calls it. */
export function statusName(status) {
  const names = {
    "": t("Looking …"),
    queued: t("Waiting"),
    processing: t("Running"),
    succeeded: t("Succeeded"),
    failed: t("Failed"),
    canceled: t("Canceled"),
    expired: t("Expired"),
  };
  return names[status] ?? status;
}

/** Why it waits. */
export function waitReason(reason) {
  switch (reason) {
    case "waiting_turn":
      return t("Others are before it.");
    case "no_agent_online":
      return t("No agent is connected. It goes on as soon as one is.");
    case "agents_busy":
      return t("All agents are busy.");
    case "agent_loading":
      return t("The agent is still loading.");
    case "agent_draining":
      return t("The agents that are connected take no more work.");
    case "retry_delay":
      return t("It is tried again in a moment.");
    case "space_paused":
      return t("The space is paused. It goes on when the space is resumed.");
    case "quota":
      return t("As many run as may at once.");
    default:
      return "";
  }
}

/** Where it is in the queue, and about when it is its turn; empty when nobody can tell. */
export function place(queue) {
  const told = [];
  if (queue?.position) told.push(queue.position === 1 ? t("It is the next to go.") : t("Number %(position)s in the queue.", { position: queue.position }));
  if (queue && (queue.eta_s ?? null) !== null) told.push(queue.eta_s < 1 ? t("It starts in about a second.") : t("It starts in about %(time)s.", { time: duration(queue.eta_s) }));
  return told.join(" ");
}

/** How long something took, as people say it. */
export function duration(seconds) {
  if (seconds < 0.995) return t("%(num)s ms", { num: Math.round(seconds * 1000) });
  if (seconds < 59.5) return t("%(num)s s", { num: seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds) });
  const minutes = Math.round(seconds / 60);
  if (seconds < 600 && Math.round(seconds) % 60) return t("%(minutes)s min %(seconds)s s", { minutes: Math.floor(Math.round(seconds) / 60), seconds: Math.round(seconds) % 60 });
  if (minutes < 120) return t("%(num)s min", { num: minutes });
  if (seconds < 171000) return t("%(num)s h", { num: Math.round(seconds / 3600) });
  return t("%(num)s d", { num: Math.round(seconds / 86400) });
}

/** Why an attempt was not the last one. */
export function attemptEnd(reason) {
  switch (reason) {
    case "agent_lost":
      return t("The agent was lost.");
    case "busy":
    case "no_connection":
      return t("The agent could not take it.");
    case "rejected":
      return t("The agent gave it back.");
    case "retryable":
      return t("It failed, and the agent asked for another try.");
    default:
      return reason;
  }
}

/** What has gone wrong, in one sentence: of a request's `error`. */
export function failure(error) {
  switch (error?.code) {
    case "handler_error":
      return t("The agent's program has failed.");
    case "execution_timeout":
      return t("It took longer than it may.");
    case "output_too_large":
      return t("Its result was too large.");
    case "agent_lost":
      return t("Agents were lost again and again while they ran it.");
    case "start_timeout":
      return t("No agent took it in time.");
    case "data_expired":
      return t("A file that it needs is no longer kept.");
    default:
      return known(error?.title ?? "") ? t(error.title) : (error?.title ?? "");
  }
}

/** What to do about it. */
export function remedy(error) {
  switch (error?.code) {
    case "handler_error":
      return t("What it said is below. Look at the input, or ask whoever runs the agent.");
    case "execution_timeout":
      return t("Give it more time in the options, or make the input smaller.");
    case "output_too_large":
      return t("The agent should save large results as files.");
    case "agent_lost":
      return t("The input may be too much for the machine. Ask whoever runs the agent.");
    case "start_timeout":
      return t("See whether an agent is connected, then try again.");
    case "data_expired":
      return t("Upload the file again.");
    default:
      return t("Try again.");
  }
}

/** A number of bytes, as people say it. */
export function bytes(size) {
  if (size < 1000) return tn("%(num)s byte", "%(num)s bytes", size);
  if (size < 1e6) return t("%(num)s kB", { num: (size / 1e3).toFixed(size < 1e4 ? 1 : 0) });
  if (size < 1e9) return t("%(num)s MB", { num: (size / 1e6).toFixed(size < 1e7 ? 1 : 0) });
  return t("%(num)s GB", { num: (size / 1e9).toFixed(1) });
}
