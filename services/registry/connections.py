"""Who may hold which claim: decisions about connections. PURE.

An agent identity has one connection: the newest hello takes the claim over, and the claim's revision in the bucket orders
them. A space of policy `one` has one agent: the first wins, another is refused until that one has gone; the same identity
takes it over with its new connection. What a gateway that is gone held may be taken by anybody.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from services.contracts import subjects
from services.contracts.connections import Connected, Disconnected
from services.contracts.directory import Policy
from services.contracts.reports import Report
from services.contracts.rpc import Attach, Attached, Claim, Detach, SpaceAnswer

_EVENT_IDS = uuid.UUID("0d2f3c1e-5b0a-5c5e-8d8e-7d3a5f1c9b42")
UNLISTED_REPORTS = 30
"""So many full reports in a row without one of its connections (a minute) and a live gateway has ended it, and failed to
say so."""


@dataclass(frozen=True, slots=True)
class ClaimEntry:
    """What the bucket says of one claim: who has it, if anybody, and at which revision the key is."""

    key: str
    claim: Claim | None
    revision: int


@dataclass(frozen=True, slots=True)
class AttachPlan:
    """What to answer, and where to write `claim`, in this order, each expecting the revision of its entry. Without a
    write to `identity` the connection holds that already."""

    answers: list[SpaceAnswer]
    claim: Claim
    identity: ClaimEntry
    writes: list[ClaimEntry]

    def attached(self, revision: int) -> Attached:
        """The answer when the identity's claim is at `revision`; 0 when nothing was claimed."""
        return Attached(spaces=self.answers, revision=revision)

    @property
    def accepted(self) -> list[str]:
        """The spaces that the connection may serve."""
        return [answer.space for answer in self.answers if answer.accepted]


def exclusive_spaces(wanted: Iterable[str], policies: Mapping[str, Policy]) -> list[str]:
    """The spaces among those wanted that only one agent may serve at a time."""
    return [space for space in dict.fromkeys(wanted) if policies.get(space) == "one"]


def attach(
    request: Attach,
    policies: Mapping[str, Policy],
    identity: ClaimEntry,
    spaces: Mapping[str, ClaimEntry],
    is_lost: Callable[[str], bool],
) -> AttachPlan:
    """Decide the claims of a new connection.

    `policies` has the existing spaces among those wanted, `identity` is the claim on the agent, `spaces` the claims of the
    exclusive spaces, `is_lost` whether a gateway is known to be gone. The identity comes last among the writes: it is the
    one that supersedes the agent's former connection. When every space is refused nothing is claimed."""
    claim = Claim(agent=request.agent, conn=request.conn, gateway=request.gateway, boot_id=request.boot_id)
    answers = [_answer(space, request, policies, spaces, is_lost) for space in dict.fromkeys(request.spaces)]
    if not any(answer.accepted for answer in answers):
        return AttachPlan(answers, claim, identity, [])
    entries = [spaces[answer.space] for answer in answers if answer.accepted and answer.space in spaces]
    writes = [entry for entry in (*entries, identity) if entry.claim != claim]
    return AttachPlan(answers, claim, identity, writes)


def _answer(
    space: str,
    request: Attach,
    policies: Mapping[str, Policy],
    spaces: Mapping[str, ClaimEntry],
    is_lost: Callable[[str], bool],
) -> SpaceAnswer:
    if space not in policies:
        return SpaceAnswer(space=space, accepted=False, reason="unknown_space")
    held = spaces[space].claim if space in spaces else None
    if held is not None and held.agent != request.agent and not is_lost(held.gateway):
        return SpaceAnswer(space=space, accepted=False, reason="occupied")
    return SpaceAnswer(space=space, accepted=True)


def to_release(conn: str, entries: Iterable[ClaimEntry]) -> list[ClaimEntry]:
    """The claims that a connection gives back: those that nobody has taken over."""
    return [entry for entry in entries if entry.claim is not None and entry.claim.conn == conn]


def check(request: Attach | Detach) -> None:
    """Raises InvalidToken unless all that becomes part of a subject or key may."""
    subjects.token("connection", request.conn)
    subjects.token("gateway", request.gateway)
    subjects.agent_claim(request.agent)


def claim_keys(agent: str, spaces: Iterable[str]) -> list[str]:
    """The keys of all claims that a connection may have, that on the identity first."""
    return [subjects.agent_claim(agent), *(subjects.space_claim(space) for space in spaces)]


def connected(request: Attach, accepted: list[str]) -> Connected:
    """The event of a connection that has its claims. Its id is the connection's, so a retry is recognised."""
    return Connected(
        id=_event_id(request.conn, "connected"),
        conn=request.conn,
        agent=request.agent,
        gateway=request.gateway,
        boot_id=request.boot_id,
        spaces=accepted,
        slots=request.slots,
        version=request.version,
        address=request.address,
    )


def disconnected(request: Detach) -> Disconnected:
    """The event of a connection's end, as its gateway saw it."""
    return Disconnected(
        id=_event_id(request.conn, "disconnected"),
        conn=request.conn,
        agent=request.agent,
        gateway=request.gateway,
        reason=request.reason,
        code=request.code,
        connected_s=request.connected_s,
    )


class OpenConnections:
    """The connections that have begun and not ended: a fold of their events, and of what gateways report."""

    def __init__(self) -> None:
        self._open: dict[str, dict[str, Connected]] = {}
        self._unlisted: dict[str, int] = {}

    def apply(self, event: Connected | Disconnected) -> None:
        """Fold one event."""
        if isinstance(event, Connected):
            self._open.setdefault(event.gateway, {})[event.conn] = event
            return
        here = self._open.get(event.gateway, {})
        here.pop(event.conn, None)
        if not here:
            self._open.pop(event.gateway, None)
        self._unlisted.pop(event.conn, None)

    def reported(self, report: Report) -> None:
        """Fold what a gateway says it has. Only full reports say what it has not."""
        if not report.full:
            return
        listed = {agent.conn for agent in report.agents if not agent.gone}
        for conn in self._open.get(report.gateway, {}):
            self._unlisted[conn] = 0 if conn in listed else self._unlisted.get(conn, 0) + 1

    def abandoned(self, is_lost: Callable[[str], bool]) -> list[Detach]:
        """The connections that their gateway can or will not detach itself, with what it would ask."""
        found = []
        for gateway, connections in self._open.items():
            lost = is_lost(gateway)
            for conn, connection in connections.items():
                if lost or self._unlisted.get(conn, 0) >= UNLISTED_REPORTS:
                    found.append(_detach(connection, "gateway_lost" if lost else "not_reported"))
        return found


def _detach(connection: Connected, reason: str) -> Detach:
    return Detach(
        conn=connection.conn,
        gateway=connection.gateway,
        agent=connection.agent,
        spaces=connection.spaces,
        reason=reason,
    )


def _event_id(conn: str, type: str) -> str:
    return uuid.uuid5(_EVENT_IDS, f"{conn}/{type}").hex
