"""What must hold of the events themselves, in the stream and in the log. Pure.

The table of what may follow what is written here a second time on purpose: what the product believes is being checked."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from tests.faults.suite.observed import Event, History
from tests.faults.suite.violation import Violation

TERMINAL = frozenset({"succeeded", "failed", "canceled", "expired"})
FOLLOWS = {
    "accepted": {"assigned", "failed", "canceled", "expired"},
    "assigned": {"requeued", "succeeded", "failed", "canceled"},
    "requeued": {"assigned", "failed", "canceled", "expired"},
}
MAX_LOSSES = 5
SECOND = 1_000_000_000
GRACE = 20 * SECOND
LATE = 1 * SECOND
"""A report may be this much older for a dispatcher than for us, and listings are noted about twice a second. What an agent
came back with is taken from its own frame, which was on the wire before any dispatcher could hear of it."""


def chains_of(history: History) -> dict[str, list[Event]]:
    """The events of each request, in order."""
    chains: dict[str, list[Event]] = {}
    for event in sorted(history.events, key=lambda event: event.seq):
        chains.setdefault(event.rid, []).append(event)
    return chains


def one_outcome(history: History) -> Iterator[Violation]:
    """Each request that was accepted, or that a client was told of, has exactly one outcome, in stream and log alike."""
    promised = {answer.request["id"] for answer in history.answers if answer.request is not None}
    for where, events in (("stream", history.events), ("log", history.log)):
        known = {event.rid for event in events}
        outcomes = Counter(event.rid for event in events if event.type in TERMINAL)
        for rid in sorted(known | promised):
            if outcomes[rid] != 1:
                yield Violation("one_outcome", rid, f"{outcomes[rid]} outcomes in the {where}")


def no_gap(history: History) -> Iterator[Violation]:
    """Neither the stream's sequences nor the log's have a gap, and both hold the same events."""
    streamed = {event.seq: event for event in history.events}
    logged = {event.seq: event for event in history.log}
    for where, found in (("stream", sorted(streamed)), ("log", sorted(logged))):
        for before, after in pairwise(found):
            if after != before + 1:
                yield Violation("no_gap", f"{where} {before + 1}", f"nothing between {before} and {after}")
    if len(logged) != len(history.log):
        yield Violation("no_gap", "log", "one sequence twice")
    for seq in sorted(streamed.keys() | logged.keys()):
        there, here = streamed.get(seq), logged.get(seq)
        if there is None or here is None or there.data != here.data:
            yield Violation("no_gap", f"{seq}", f"the stream has {_kind(there)}, the log has {_kind(here)}")


def _kind(event: object) -> str:
    return "nothing" if event is None else f"{event.type} of {event.rid}"  # type: ignore[attr-defined]


def valid_chains(history: History) -> Iterator[Violation]:
    """Each event follows the one that it names, may follow it, and counts the attempts right."""
    for rid, chain in chains_of(history).items():
        attempts = 0
        for before, event in zip([None, *chain], chain, strict=False):
            attempts += event.type == "assigned"
            if before is None:
                if event.type != "accepted" or event.prev_seq:
                    yield Violation("valid_chains", rid, f"begins with {event.type} after {event.prev_seq}")
            elif event.prev_seq != before.seq:
                yield Violation(
                    "valid_chains", rid, f"{event.type} at {event.seq} follows {event.prev_seq}, not {before.seq}"
                )
            elif event.type not in FOLLOWS.get(before.type, ()):
                yield Violation("valid_chains", rid, f"{event.type} after {before.type}")
            if event.attempt != attempts:
                yield Violation("valid_chains", rid, f"{event.type} at {event.seq} says attempt {event.attempt}")


def own_outcome(history: History) -> Iterator[Violation]:
    """An output belongs to the attempt that it is recorded for: the handler wrote both down in it."""
    for rid, chain in chains_of(history).items():
        for before, event in pairwise(chain):
            if event.type != "succeeded":
                continue
            if event.data["agent"] != before.data.get("agent"):
                yield Violation("own_outcome", rid, f"assigned to {before.data.get('agent')}, done by {event.data['agent']}")
            said = event.data["output"][0]
            if (said["rid"], said["attempt"]) != (rid, event.attempt):
                yield Violation("own_outcome", rid, f"attempt {event.attempt} has the output of {said}")


def budgets(history: History) -> Iterator[Violation]:
    """No request is tried more often than its user allows, nor costs more agents than the platform allows."""
    for rid, chain in chains_of(history).items():
        reasons = Counter(event.data["reason"] for event in chain if event.type == "requeued")
        allowed = chain[0].data.get("max_attempts", 1)
        if reasons["retryable"] >= allowed:
            yield Violation("budgets", rid, f"{reasons['retryable']} retries with max_attempts {allowed}")
        if reasons["agent_lost"] >= MAX_LOSSES:
            yield Violation("budgets", rid, f"{reasons['agent_lost']} agents lost")


def grace(history: History) -> Iterator[Violation]:
    """No dispatcher gives a lease up that was assigned or listed within the grace, unless its agent has come back without
    it: as another process, or as the same one that had never heard of it."""
    started = {(run.rid, run.attempt) for run in history.runs}
    for rid, chain in chains_of(history).items():
        for lease, event in pairwise(chain):
            lost = event.data.get("reason") == "agent_lost" or event.data.get("error", {}).get("code") == "agent_lost"
            if not lost or not event.data["actor"].startswith("dispatcher:"):
                continue
            held_at = max((at for at in history.listed.get(lease.seq, ()) if at <= event.at), default=lease.at)
            known = (rid, event.attempt) in started
            if event.at - held_at < GRACE - LATE and not _came_back_without(history, lease, event.at, known):
                absent = (event.at - held_at) / SECOND
                yield Violation("grace", rid, f"lease {lease.seq} was given up after {absent:.1f} s")


def _came_back_without(history: History, lease: Event, by: int, known: bool) -> bool:
    hellos = {frame.socket: frame for frame in history.frames if frame.type == "hello"}
    welcomes = (frame for frame in history.frames if frame.type == "welcome" and frame.socket in hellos)
    first = next(
        (hellos[one.socket].data["boot_id"] for one in welcomes if one.data["session_id"] == lease.data["conn"]), ""
    )
    return any(
        lease.data["agent"].endswith(f"/{hello.data['agent_id']}")
        and lease.at - LATE <= hello.at <= by
        and lease.seq not in {work["lease"] for work in hello.data.get("in_flight", ())}
        and (hello.data["boot_id"] != first or not known)
        for hello in hellos.values()
    )


def rebuilt_is_live(history: History) -> Iterator[Violation]:
    """`spaces log verify` finds nothing, and the rebuilt read table is the one that was kept up to date."""
    for complaint in history.complaints:
        yield Violation("rebuilt_is_live", "log", complaint)
