"""What needs somebody, to go by what is known. Pure: values in, warnings out; each threshold is here, with its reason."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from services.contracts import subjects
from services.contracts.accounts import Space
from services.contracts.platform import AgentConnections, Attention, SpaceAttention
from services.contracts.rpc import ConnectedAgent
from services.gateway.platform import FULL, KINDS, PlatformObject, StreamObject

_NS = 1_000_000_000

NO_AGENT_S = 20.0
"""An agent that moves, or has lost its network, is back within the grace of 20 s: before that, nobody has to do anything."""
DEPTHS_S = (600.0, 300.0)
"""So long ago the lengths of queues are looked at: a queue that is longer than five minutes ago, and was longer then than
five minutes before, is no burst."""
GROWN_BY = 10
"""A queue is longer when it is by so many requests at least: fewer are chance."""
OLD_S = 60.0
"""A queue whose oldest request waits less than a minute is worked off, however long it is."""
OUTCOMES, OUTCOMES_S = 20, 3600.0
"""So many of the latest outcomes of a space tell how it does; older ones than an hour say nothing about now."""
JUDGED = 10
"""Fewer outcomes say nothing: one failure of three may be one user's mistake."""
FAILING, BROKEN = 0.2, 0.5
"""Which part of them fail when somebody should look, and when the space is of no use."""
CONNECTIONS_S = 600.0
FLAPPING = 5
"""A gateway that is replaced costs an agent one connection more, and so does a network that was away: five within ten
minutes are something else."""
BEHIND_S, FAR_BEHIND_S = 10.0, 300.0
"""A recorder writes every 20 ms: ten seconds mean that PostgreSQL does not keep up, or was away. What is not recorded is in
NATS alone."""
FILLING = 0.7
"""A stream stops submissions at 80 %: this leaves time to look why it is not trimmed."""
STOPS_WHEN_FULL = (subjects.REQUESTS, subjects.FILES)
"""Streams that refuse what is new when they are full; others drop what is oldest."""

Severity = Literal["critical", "warning"]
Rule = Literal[
    "halted",
    "history_silent",
    "database_unreachable",
    "log_conflicts",
    "service_missing",
    "recorder_behind",
    "stream_filling",
    "replica_missing",
    "no_agent",
    "space_failing",
    "queue_growing",
    "agent_flapping",
    "service_single",
]
RULES: tuple[Rule, ...] = get_args(Rule)


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that holds, of a space or of another `subject`: an agent, a service, a stream. `amount`, `limit` and `for_s`
    (seconds) are numbers that its words have."""

    rule: Rule
    severity: Severity
    space: str = ""
    subject: str = ""
    amount: float = 0.0
    limit: float = 0.0
    for_s: float = 0.0


def of_spaces(
    found: Attention, spaces: Mapping[str, Space], agents: Collection[ConnectedAgent] | None, now: int
) -> Iterator[Finding]:
    """What holds of spaces, and of agents, at an instant (nanoseconds since 1970). `agents`: all that are connected; None:
    nobody can tell."""
    served = set(spaces) if agents is None else {space for agent in agents for space in agent.spaces}
    for each in found.spaces:
        space = spaces.get(each.space)
        if space is not None:
            yield from _of_space(each, space, each.space in served, now)
    for agent in found.agents:
        yield from _of_agent(agent)


def of_platform(found: PlatformObject) -> Iterator[Finding]:
    """What holds of the platform."""
    if found.halted:
        yield Finding("halted", "critical")
    database = found.database
    if database.reachable is None:
        yield Finding("history_silent", "critical")
    elif not database.reachable:
        yield Finding("database_unreachable", "critical")
    if database.conflicts or database.whole is False:
        yield Finding("log_conflicts", "critical", amount=database.conflicts or 0)
    yield from _of_services(found)
    for stream in found.nats.streams:
        yield from _of_stream(stream)


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first; of equal severity by rule, then by what they are about."""
    order = {"critical": 0, "warning": 1}
    return sorted(findings, key=lambda each: (order[each.severity], RULES.index(each.rule), each.space, each.subject))


def _of_space(found: SpaceAttention, space: Space, served: bool, now: int) -> Iterator[Finding]:
    age_s = (now - found.oldest_at) / _NS if found.waiting else 0.0
    if found.waiting and not space.paused:
        if not served and age_s >= NO_AGENT_S:
            yield Finding("no_agent", "critical", space.space, amount=found.waiting, for_s=age_s)
        elif found.depths and served and _grows([*found.depths, found.waiting]) and age_s >= OLD_S:
            before = found.depths[0]
            yield Finding("queue_growing", "warning", space.space, amount=found.waiting, limit=before, for_s=age_s)
    if found.judged >= JUDGED and found.failed >= FAILING * found.judged:
        severity: Severity = "critical" if found.failed >= BROKEN * found.judged else "warning"
        yield Finding("space_failing", severity, space.space, amount=found.failed, limit=found.judged)


def _grows(depths: list[int]) -> bool:
    return all(later >= earlier + GROWN_BY for earlier, later in itertools.pairwise(depths))


def _of_agent(found: AgentConnections) -> Iterator[Finding]:
    if found.connections >= FLAPPING:
        yield Finding("agent_flapping", "warning", subject=found.agent, amount=found.connections, for_s=CONNECTIONS_S)


def _of_services(found: PlatformObject) -> Iterator[Finding]:
    # Where the streams have one replica a single machine is meant, and a second process of a service would help little.
    replicated = any(stream.replicas > 1 for stream in found.nats.streams)
    for service in found.services:
        if service.service in KINDS:
            if not service.instances:
                yield Finding("service_missing", "critical", subject=service.service)
            elif len(service.instances) == 1 and replicated:
                yield Finding("service_single", "warning", subject=service.service)


def _of_stream(stream: StreamObject) -> Iterator[Finding]:
    if (stream.behind_s or 0.0) >= BEHIND_S:
        severity: Severity = "critical" if (stream.behind_s or 0.0) >= FAR_BEHIND_S else "warning"
        amount, for_s = stream.behind or 0, stream.behind_s or 0.0
        yield Finding("recorder_behind", severity, subject=stream.name, amount=amount, for_s=for_s)
    if stream.name in STOPS_WHEN_FULL and stream.max_bytes and stream.bytes >= FILLING * stream.max_bytes:
        severity = "critical" if stream.bytes >= FULL * stream.max_bytes else "warning"
        yield Finding("stream_filling", severity, subject=stream.name, amount=stream.bytes, limit=stream.max_bytes)
    if stream.missing:
        yield Finding("replica_missing", "warning", subject=stream.name, amount=stream.missing, limit=stream.replicas)
