// One request, followed as it goes on: its events as they come, and what the API says of it, folded into one state.

import { call, Problem, seen } from "./api.js";
import { folded, read, unknown } from "./request-state.js";

const EVENTS = ["queued", "position", "assigned", "output", "progress", "log", "requeued", "output_reset", "completed"];
const AGAIN_MS = [250, 500, 1000, 2000];
const LOOK_MS = 4000;
/** The stream says something every 15 seconds at least: one that has been silent for so long is gone. */
const SILENT_MS = 40000;
const HOPELESS = new Set(["not_found", "forbidden", "invalid_request"]);

/** Follow a request until it is done. `changed` is called with its state (see request-state.js) and the state of the `link`:
    `connecting`, `live`, `reconnecting` (nothing is lost: the stream goes on where it was cut), or `over`; then `problem`
    says why, when the request cannot be seen. While nobody looks at the page nothing is asked for. Who has been signed out
    is led to sign in, and back. What is returned ends it. */
export function follow(id, changed) {
  const path = `/v1/requests/${encodeURIComponent(id)}`;
  let state = unknown(id);
  let link = "connecting";
  let problem = null;
  let source = null;
  let last = "";
  let failures = 0;
  let refused = false;
  let timer;
  let silence;
  let turn = 0;

  const tell = () => changed(state, link, problem);

  function stop() {
    turn += 1;
    clearTimeout(timer);
    clearTimeout(silence);
    source?.close();
    source = null;
  }

  function over(why) {
    stop();
    document.removeEventListener("visibilitychange", visible);
    link = "over";
    problem = why;
    tell();
  }

  function again() {
    stop();
    if (link === "live") link = "reconnecting";
    tell();
    timer = setTimeout(begin, AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)]);
    failures += 1;
  }

  function heard() {
    clearTimeout(silence);
    silence = setTimeout(again, SILENT_MS);
  }

  /** Read the request, and go on with its events; or say why not. */
  async function begin() {
    if (document.hidden) return;
    const mine = (turn += 1);
    try {
      const object = await call("GET", path);
      if (mine !== turn) return;
      state = read(state, object, refused);
      tell();
      if (state.done) return over(null);
      open();
    } catch (failed) {
      if (!(failed instanceof Problem)) throw failed;
      if (mine !== turn) return;
      if (HOPELESS.has(failed.code)) over(failed);
      else again();
    }
  }

  function open() {
    refused = true;
    source = new EventSource(`${path}/events${last && `?${new URLSearchParams({ after: last })}`}`);
    for (const name of EVENTS) source.addEventListener(name, took);
    source.addEventListener("ping", heard);
    source.addEventListener("open", () => {
      failures = 0;
      refused = false;
      link = "live";
      heard();
      tell();
      timer = setTimeout(look, LOOK_MS);
    });
    // Both what the stream says of its end, and that it is cut. Its reader reads the request first: that tells why.
    source.addEventListener("error", again);
  }

  function took({ type, data, lastEventId }) {
    heard();
    last = lastEventId || last;
    state = folded(state, type, JSON.parse(data));
    if (state.done) over(null);
    else tell();
  }

  /** The events tell when the position changes, not how the estimate does. */
  async function look() {
    const mine = turn;
    if (state.status === "queued") {
      const object = await seen(path);
      if (mine !== turn) return;
      if (object) state = read(state, object, false);
      tell();
    }
    timer = setTimeout(look, LOOK_MS);
  }

  function visible() {
    if (document.hidden) stop();
    else if (!source) begin();
  }

  document.addEventListener("visibilitychange", visible);
  begin();
  return () => {
    stop();
    document.removeEventListener("visibilitychange", visible);
  };
}
