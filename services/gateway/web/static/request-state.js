// What the events of a request, one after the other, come to. Pure: values in, values out.

/** A request of which nothing is known yet. `chunks`: its output as it came; `log`: its lines; `attempts`: each with `agent`,
    `gateway`, `assignedAt`, and once it is over `endedAt` with `reason` and `detail`; `request`: the API's object. */
export const unknown = (id) => ({
  id,
  request: null,
  status: "",
  done: false,
  queuedAt: "",
  queue: null,
  attempts: [],
  progress: null,
  chunks: [],
  log: [],
});

/** The state after an event of its stream. */
export function folded(state, name, data) {
  switch (name) {
    case "queued":
      return { ...state, status: "queued", queuedAt: data.at, attempts: [] };
    case "position":
      return state.status === "queued" ? { ...state, queue: data } : state;
    case "assigned":
      return { ...state, status: "processing", queue: null, attempts: [...state.attempts, attempt(data)] };
    case "requeued":
      return { ...state, status: "queued", progress: null, attempts: ended(state, data.at, data) };
    case "output":
      return { ...state, chunks: [...state.chunks, data.data] };
    case "progress":
      return { ...state, progress: { fraction: data.fraction, message: data.message } };
    case "log":
      return { ...state, log: [...state.log, ...data.lines] };
    case "output_reset":
      return { ...state, chunks: [], log: [], progress: null };
    case "completed":
      return { ...over(state, data), attempts: ended(state, data.completed_at, {}) };
    default:
      return state;
  }
}

/** The state when the API's object has been read. `alone`: no events tell more than it. */
export function read(state, object, alone) {
  if (state.done) return state;
  const known = { ...state, request: object };
  if (alone && object.done) return over(state, object);
  if (alone || !state.status) return { ...known, status: object.status, queue: object.queue, queuedAt: object.created_at, progress: object.progress };
  return state.status === "queued" && object.status === "queued" ? { ...known, queue: object.queue } : known;
}

const over = (state, object) => ({ ...state, request: object, status: object.status, done: true, queue: null, progress: null });

const attempt = ({ attempt, agent, gateway, at }) => ({
  attempt,
  agent: agent.id,
  gateway,
  assignedAt: at,
  endedAt: "",
  reason: "",
  detail: "",
});

function ended({ attempts }, endedAt, { reason = "", detail = "" }) {
  return attempts.map((each, number) => (number === attempts.length - 1 && !each.endedAt ? { ...each, endedAt, reason, detail } : each));
}
