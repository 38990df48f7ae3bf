// A request that is followed, in the page: what it is doing, what it has come to, and what went wrong.

import { attemptEnd, failure, place, remedy, statusName, waitReason } from "./request-words.js";
import { Output, showLog, showProgress, showTimes } from "./result.js";
import { t } from "./text.js";

const TICK_MS = 250;
const part = (id) => document.getElementById(id);

/** Shows requests, one after the other. `offMs`: by how much the browser's clock is ahead of the platform's. */
export class RequestView {
  #root = part("request");
  #output = new Output(part("output"));
  #offMs;
  #state = null;
  #timer;

  constructor(offMs) {
    this.#offMs = offMs;
  }

  /** Show that there is none. */
  empty() {
    this.#phase("empty");
  }

  /** Show a request; the arguments are those that `follow` of live-request.js tells. */
  show(state, link, problem) {
    if (state.id !== this.#state?.id) this.#output.clear();
    this.#state = state;
    part("link").textContent = link === "reconnecting" ? t("Reconnecting …") : "";
    if (problem) return this.#lost();
    this.#phase("request");
    this.#status(state);
    say("words", words(state));
    say("place", state.status === "queued" ? place(state.queue) : "");
    showProgress(part("progress"), state.progress);
    this.#result(state);
    this.#failed(state);
    showAttempts(state);
    showLog(part("log"), state.log);
    part("log-box").hidden = state.log.length === 0;
    part("log-lines").textContent = state.log.length;
    this.#times();
    const { done, request } = state;
    if (done && document.activeElement === part("cancel")) this.#root.focus({ preventScroll: true });
    part("cancel").hidden = done;
    for (const deed of [part("again"), part("edit")]) if (deed) deed.hidden = !done || !request?.input;
    part("details").href = `/requests/${encodeURIComponent(state.id)}`;
  }

  #phase(name) {
    this.#root.dataset.phase = name;
    for (const shown of this.#root.querySelectorAll("[data-show]")) shown.hidden = shown.dataset.show !== name;
    if (name === "request") return;
    clearTimeout(this.#timer);
    this.#output.clear();
    this.#state = null;
  }

  #status({ status }) {
    part("status").dataset.state = status || "unknown";
    say("status", statusName(status));
  }

  #result({ done, status, request, chunks, id }) {
    part("output").ariaBusy = String(!done);
    if (done && request.output !== null) this.#output.whole(request.output, `result-${id.slice(0, 12)}`);
    else if (done && status === "succeeded" && !request.erased) this.#output.whole(null, "result");
    else this.#output.live(chunks);
  }

  #failed({ status, request }) {
    const error = status === "failed" || status === "expired" ? request.error : null;
    part("failure").hidden = error === null;
    if (error === null) return;
    say("failure-what", failure(error));
    say("failure-remedy", remedy(error));
    say("failure-detail", error.detail);
    part("failure-detail").hidden = !error.detail;
  }

  #lost() {
    this.#phase("lost");
    say("lost", t("There is no such request, or it is not yours."));
  }

  /** Draw how long it was queued and has run; again and again until it is over. */
  #times() {
    clearTimeout(this.#timer);
    const state = this.#state;
    if (!state?.queuedAt && !state?.request) return;
    const [queued, ran] = times(state, Date.now() - this.#offMs);
    part("times").hidden = false;
    showTimes(part("times"), queued, ran);
    if (!state.done) this.#timer = setTimeout(() => this.#times(), TICK_MS);
  }
}

/** For how long, in seconds, it has waited for its latest attempt, and been with an agent since. */
function times({ request, done, queuedAt, attempts, status }, now) {
  const begin = Date.parse(queuedAt || request.created_at);
  const end = done ? Date.parse(request.completed_at) : Math.max(now, begin);
  const assigned = status === "queued" ? "" : (attempts.at(-1)?.assignedAt ?? request?.assigned_at);
  const from = assigned ? Date.parse(assigned) : end;
  return [(from - begin) / 1000, Math.max(end - from, 0) / 1000];
}

function words({ status, queue, attempts, done, request }) {
  if (status === "queued") {
    const again = attempts.at(-1)?.endedAt ? attemptEnd(attempts.at(-1).reason) : "";
    return [again, again && t("It waits for another attempt."), waitReason(queue?.reason)].filter(Boolean).join(" ");
  }
  if (status === "processing") return attempts.length > 1 ? t("An agent is working on it: attempt %(num)s.", { num: attempts.length }) : t("An agent is working on it.");
  if (status === "canceled") return t("It was canceled.");
  return done && request.erased ? t("Its data have been erased.") : "";
}

function showAttempts({ attempts, done }) {
  const list = part("attempts");
  list.hidden = attempts.length < 2 && !(attempts.length === 1 && !done && attempts[0].endedAt);
  if (list.hidden || list.dataset.shown === JSON.stringify(attempts)) return;
  list.dataset.shown = JSON.stringify(attempts);
  list.replaceChildren(
    ...attempts.map((each) => {
      const shown = document.createElement("li");
      const agent = document.createElement("code");
      agent.translate = false;
      agent.textContent = each.agent;
      const told = document.createElement("span");
      told.textContent = each.reason ? attemptEnd(each.reason) : done ? t("The last one.") : t("Under way.");
      shown.append(agent, told);
      if (each.detail) {
        const detail = document.createElement("span");
        detail.className = "faint";
        detail.translate = false;
        detail.textContent = each.detail;
        shown.append(detail);
      }
      return shown;
    }),
  );
}

function say(id, text) {
  const element = part(id);
  if (element.textContent !== text) element.textContent = text;
}
