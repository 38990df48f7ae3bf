"""PURE: what spaces and agents have come to lately, of counts that the database has made."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from services.contracts.connections import Connected
from services.contracts.platform import AgentConnections, SpaceAttention
from services.contracts.requests import RequestState

MAX_AGENTS = 100
"""So many agents are named."""


class Waiting(NamedTuple):
    """How many requests of a space wait, and when the oldest of them was accepted."""

    space: str
    requests: int
    oldest_at: int


class Judged(NamedTuple):
    """How many outcomes of a space were looked at, and how many of them are failures."""

    space: str
    outcomes: int
    failed: int


def waited_at(at: int, states: Iterable[RequestState]) -> Counter[str]:
    """How many of the requests that are run now waited at an instant, by space."""
    return Counter(each.space for each in states if each.accepted_at <= at < each.assigned_at)


def spaces_of(
    waiting: Sequence[Waiting], depths: Sequence[Mapping[str, int]], judged: Sequence[Judged]
) -> list[SpaceAttention]:
    """All spaces of which something is known, by name; `depths` by space, for each instant."""
    now = {each.space: each for each in waiting}
    outcomes = {each.space: each for each in judged}
    found = []
    for space in sorted({*now, *outcomes, *(space for depth in depths for space in depth)}):
        _, requests, oldest_at = now.get(space, Waiting(space, 0, 0))
        _, of, failed = outcomes.get(space, Judged(space, 0, 0))
        found.append(
            SpaceAttention(
                space=space,
                waiting=requests,
                oldest_at=oldest_at,
                depths=[depth.get(space, 0) for depth in depths],
                judged=of,
                failed=failed,
            )
        )
    return found


def agents_of(connected: Iterable[Connected]) -> list[AgentConnections]:
    """How often each agent has connected, the most often first."""
    counts = Counter(event.agent for event in connected)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_AGENTS]
    return [AgentConnections(agent=agent, connections=n) for agent, n in ordered]
