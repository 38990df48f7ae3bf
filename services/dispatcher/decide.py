"""What the owner of a partition decides. Pure: state and the instant in, decisions out; nothing is performed here.

A decision reserves what it uses (the request, a slot) in the state, so the next one sees it; `undo` gives it back when the
decision could not be carried out.
"""

from dataclasses import dataclass
from typing import Literal

from services.contracts.events import RequeueReason
from services.contracts.reports import AgentReport
from services.contracts.requests import RequestState
from services.dispatcher.fleet import Fleet
from services.dispatcher.quotas import NO_LIMITS, Room, SpaceLimits
from services.dispatcher.state import MAX_LOSSES, SECOND, Lease, Partition

GRACE = 20 * SECOND
"""A lease is lost when no live gateway has listed it for this long."""
DELIVERY_CHECK = 1 * SECOND
"""An assignment that no report has listed after this is asked for."""
NEVER_LISTED = 10 * SECOND
"""Where nobody reports a handler's time, it is taken to have started this long after the assignment."""


@dataclass(frozen=True, slots=True)
class Assign:
    """Let this connection run the request."""

    state: RequestState
    gateway: str
    agent: AgentReport


@dataclass(frozen=True, slots=True)
class Requeue:
    """The lease is void; let another agent run the request."""

    state: RequestState
    reason: RequeueReason
    started: bool


@dataclass(frozen=True, slots=True)
class Expire:
    """It did not start in time."""

    state: RequestState


@dataclass(frozen=True, slots=True)
class Fail:
    """It ends without an output."""

    state: RequestState
    code: Literal["execution_timeout", "agent_lost"]
    run_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Check:
    """Ask the gateway whether the assignment is with its agent."""

    state: RequestState


Decision = Assign | Requeue | Expire | Fail
AnyDecision = Decision | Check


def assignments(partition: Partition, space: str, now: int, limits: SpaceLimits = NO_LIMITS) -> list[Assign]:
    """As many of a space's waiting requests as its agents have free slots for, and limits leave room."""
    decided: list[Assign] = []
    held_back: list[RequestState] = []
    fleet, room = partition.fleet, Room(partition.in_flight, space, limits)
    while (queue := partition.queues.get(space)) is not None and len(queue):
        agent = fleet.pick(space, now)
        if agent is None:
            break
        state = queue.pop(room)
        if state is None:
            break
        if state.rid in partition.pending:
            held_back.append(state)
            continue
        partition.pending[state.rid] = 0
        partition.in_flight.add(state)
        fleet.reserve(agent.report.conn, state.rid, 0)
        decided.append(Assign(state, agent.gateway, agent.report))
    for state in held_back:
        partition.queues[space].push(state)
    return decided


def timers(partition: Partition, now: int) -> list[AnyDecision]:
    """What time alone has brought about: expiries, lost leases, overdue handlers, deliveries to be checked."""
    decided: list[AnyDecision] = []
    partition.wake_delayed(now)
    for state in partition.next_expiry(now):
        if state.rid in partition.pending:
            partition.remind_expiry(state)  # it is being assigned this very moment: look again at the next tick
            continue
        partition.pending[state.rid] = 0
        decided.append(Expire(state))
    for rid in partition.exhausted - partition.pending.keys():
        partition.pending[rid] = 0
        decided.append(Fail(partition.requests[rid], "agent_lost"))
    for rid, lease in list(partition.leases.items()):
        if rid in partition.pending:
            continue
        decision = _of_lease(partition.requests[rid], lease, partition.fleet, now)
        if decision is not None:
            partition.pending[rid] = 0
            decided.append(decision)
    return decided


def undo(partition: Partition, decision: AnyDecision, now: int) -> None:
    """The decision was not carried out: give back what it had reserved, so that it can be decided again."""
    rid = decision.state.rid
    partition.pending.pop(rid, None)
    state = partition.requests.get(rid)
    give_back(partition, decision)
    if state is not None and state.status == "queued":
        partition.wait(state, now)


def give_back(partition: Partition, decision: AnyDecision) -> None:
    """The decision was not carried out: what it had taken of slots and limits is free."""
    if isinstance(decision, Assign):
        partition.fleet.release(decision.agent.conn, decision.state.rid, 0, confirmed=False)
        partition.not_assigned(decision.state.rid)


def answered(partition: Partition, check: Check, answer: str, now: int) -> Requeue | None:
    """What follows from a gateway's answer to a delivery check; `no_responders` when it is not there: then its agent may
    have the lease and be on its way to another gateway, so the grace decides. It may even have arrived there."""
    rid = check.state.rid
    partition.pending.pop(rid, None)
    lease = partition.leases.get(rid)
    if lease is None or lease.lease != check.state.lease or lease.lease in partition.fleet.listed:
        return None
    match answer:
        case "busy" | "no_connection":
            partition.pending[rid] = 0
            return Requeue(check.state, answer, started=False)
        case "no_responders":
            lease.orphaned_at = now
        case _:
            lease.confirmed_at = now
            lease.seen = lease.seen or answer == "held"
    return None


def _of_lease(state: RequestState, lease: Lease, fleet: Fleet, now: int) -> AnyDecision | None:
    listing = fleet.listed.get(lease.lease)
    if listing is not None:
        lease.seen, lease.conn = True, listing.conn
        lease.started = lease.started or listing.held.state != "sent"
        return _overdue(state, listing.held.state, listing.held.running_s + (now - listing.at) / SECOND, now)
    if not lease.seen and not lease.orphaned_at:
        since = max(lease.folded_at, lease.confirmed_at, fleet.barrier)
        return Check(state) if now - since > DELIVERY_CHECK else None
    absent_since = max(
        fleet.delisted.get(lease.lease, 0), lease.folded_at, lease.confirmed_at, lease.orphaned_at, fleet.barrier
    )
    absent = now - absent_since
    if absent > GRACE or (absent > DELIVERY_CHECK and _came_back_without(lease, state.agent, fleet)):
        return _lost(state, lease)
    return None


def _came_back_without(lease: Lease, identity: str, fleet: Fleet) -> bool:
    """Whether the agent is connected anew without the lease: a connection first appears with all that its agent holds."""
    return fleet.conn_of(identity) not in ("", lease.conn)


def _lost(state: RequestState, lease: Lease) -> AnyDecision:
    if not lease.seen:
        return Requeue(state, "no_connection", started=False)
    if state.losses + 1 >= MAX_LOSSES:
        return Fail(state, "agent_lost")
    return Requeue(state, "agent_lost", started=lease.started)


def _overdue(state: RequestState, held: str, running_s: float, now: int) -> AnyDecision | None:
    if held == "running":
        return Fail(state, "execution_timeout", running_s) if running_s > state.execution_timeout_s else None
    deadline = state.assigned_at + NEVER_LISTED + int(state.execution_timeout_s * SECOND)
    return Fail(state, "execution_timeout") if now > deadline else None
