"""What must hold of what agents were given, did, and were told. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.suite.chains import chains_of
from tests.faults.suite.observed import Event, Frame, History
from tests.faults.suite.violation import Violation


def within_slots(history: History) -> Iterator[Violation]:
    """No agent is given, nor runs, more at once than it has slots."""
    yield from _runs_at_once(history)
    yield from _given_at_once(history)


def _runs_at_once(history: History) -> Iterator[Violation]:
    for process in history.processes:
        changes: list[tuple[int, int]] = []
        for run in history.runs:
            if run.pid == process.pid:
                changes.append((run.began, 1))
                if run.ended:
                    changes.append((run.ended, -1))
        running = 0
        for at, change in sorted(changes):
            running += change
            if running > process.slots:
                yield Violation("within_slots", process.agent, f"{running} handlers at {at} with {process.slots} slots")


def _given_at_once(history: History) -> Iterator[Violation]:
    """By the frames of one process of an agent, whichever sockets they went over. An assignment that the agent turned down
    counts until then. What a hello says may have come to its end over another socket while the hello was on its way."""
    boots: dict[int, str] = {}
    slots: dict[str, int] = {}
    held: dict[str, set[int]] = {}
    over: dict[str, set[int]] = {}
    for frame in sorted(history.frames, key=lambda frame: frame.at):
        if frame.type == "hello":
            boot = boots[frame.socket] = str(frame.data["boot_id"])
            slots[boot] = frame.data["slots"]
            running = {work["lease"] for work in frame.data.get("in_flight", []) if work["state"] == "running"}
            held[boot] = running - over.setdefault(boot, set())
        boot = boots.get(frame.socket, "")
        if frame.type == "assign":
            held[boot].add(frame.lease)
            if len(held[boot]) > slots[boot]:
                yield Violation("within_slots", boot, f"given {len(held[boot])} leases with {slots[boot]} slots")
        elif frame.type in ("result", "stopped", "reject"):
            held[boot].discard(frame.lease)
            over[boot].add(frame.lease)


def given_once(history: History) -> Iterator[Violation]:
    """An assignment is handed to its agent once: whether that had arrived is told by the agent's next hello."""
    given = Counter((frame.data["request_id"], frame.lease) for frame in history.frames if frame.type == "assign")
    for (rid, lease), times in given.items():
        if times > 1:
            yield Violation("given_once", rid, f"lease {lease} was handed out {times} times")


def started_once(history: History) -> Iterator[Violation]:
    """An attempt is started at most once, and only by the agent that it was assigned to."""
    assigned = {(event.rid, event.attempt): event.data["agent"] for event in history.events if event.type == "assigned"}
    starts = Counter((run.rid, run.attempt) for run in history.runs)
    for (rid, attempt), times in starts.items():
        if times > 1:
            yield Violation("started_once", rid, f"attempt {attempt} was started {times} times")
    for run in history.runs:
        agent = assigned.get((run.rid, run.attempt), "nobody")
        if agent.rpartition("/")[2] != run.agent:
            yield Violation("started_once", run.rid, f"attempt {run.attempt} of {agent} was started by {run.agent}")


def told_when_recorded(history: History) -> Iterator[Violation]:
    """An agent is told that its result is recorded when it is, and not before."""
    following = _following(history)
    for frame in history.frames:
        if frame.type != "result_ack":
            continue
        event = following.get(frame.lease)
        told = frame.data["outcome"]
        if told == "superseded":
            if event is not None and _by_agent(event) and not _withdrawn(history, frame):
                yield Violation(
                    "told_when_recorded", event.rid, f"lease {frame.lease} is recorded, its agent was told {told}"
                )
        elif event is None or not _by_agent(event):
            yield Violation("told_when_recorded", frame.data["request_id"], f"lease {frame.lease} is not recorded")
        elif event.at > frame.at:
            early = (event.at - frame.at) / 1e6
            yield Violation(
                "told_when_recorded", event.rid, f"lease {frame.lease} was recorded {early:.1f} ms after that was said"
            )


def _following(history: History) -> dict[int, Event]:
    return {chain[n].seq: chain[n + 1] for chain in chains_of(history).values() for n in range(len(chain) - 1)}


def _by_agent(event: Event) -> bool:
    """Whether it records what a handler said: an outcome, or that it wants to be tried again."""
    if event.type == "requeued":
        return bool(event.data["reason"] == "retryable")
    return event.type in ("succeeded", "failed") and event.data["actor"].startswith("agent:")


def _withdrawn(history: History, ack: Frame) -> bool:
    """Whether the agent had offered two different results of the lease: what it says when told to stop replaces what it had
    said before."""
    offered = {frame.data["sha256"] for frame in history.frames if frame.type == "result" and frame.lease == ack.lease}
    return len(offered) > 1


def lives_on(history: History) -> Iterator[Violation]:
    """No process ends by itself, whatever happens to others."""
    for death in history.deaths:
        name, _, last_words = death.partition(": ")
        yield Violation("lives_on", name, last_words[:1000])


def stopped_when_void(history: History) -> Iterator[Violation]:
    """A handler whose lease is void does not run on for ever: it ends, or its process does."""
    ended: dict[str, int] = defaultdict(int)
    for process in history.processes:
        ended[f"{process.pid}"] = process.ended
    for run in history.runs:
        if not run.ended and not ended[f"{run.pid}"]:
            yield Violation("stopped_when_void", run.rid, f"attempt {run.attempt} still runs at {run.agent}")
