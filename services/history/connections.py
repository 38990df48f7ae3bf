"""PURE: connections of agents, as the log has their beginnings and ends."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from services.contracts import codec, subjects
from services.contracts.codec import UndecodableEvent
from services.contracts.connections import Connected, Disconnected, agent_identity
from services.contracts.lists import ListConnections, PastConnection, Place


class Begun(NamedTuple):
    """The beginning of a connection, and where it stands in the list."""

    place: Place
    event: Connected

    @property
    def end(self) -> str:
        """The subject of its end."""
        return subjects.connection_event(self.event.conn, "disconnected")


def begun_connection(at: int, subject: str, data: bytes) -> Begun:
    """A row of the log. Raises UndecodableEvent."""
    event = codec.connections.decode(data)
    if not isinstance(event, Connected):
        raise UndecodableEvent(f"{subject} holds another event")
    return Begun(Place(at, subject), event)


def fits(query: ListConnections, event: Connected) -> bool:
    """Whether a connection is to be listed."""
    return (
        (not query.owner or event.agent.startswith(agent_identity(query.owner, "")))
        and (not query.agent or event.agent == query.agent)
        and (not query.space or query.space in event.spaces)
        and (query.within is None or set(event.spaces) <= set(query.within))
    )


def with_ends(begun: Sequence[Begun], ends: Iterable[tuple[int, bytes]]) -> list[PastConnection]:
    """The connections, each with its end if there is one among these rows; of several the last row counts. Raises
    UndecodableEvent."""
    known: dict[str, tuple[Disconnected, int]] = {}
    for at, data in ends:
        event = codec.connections.decode(data)
        if isinstance(event, Disconnected):
            known[event.conn] = event, at
    return [_listed(each, known.get(each.event.conn)) for each in begun]


def _listed(begun: Begun, end: tuple[Disconnected, int] | None) -> PastConnection:
    event = begun.event
    disconnected, ended_at = end or (None, 0)
    return PastConnection(
        place=begun.place,
        conn=event.conn,
        agent=event.agent,
        gateway=event.gateway,
        spaces=event.spaces,
        slots=event.slots,
        version=event.version,
        address=event.address,
        ended_at=ended_at,
        reason=disconnected.reason if disconnected is not None else "",
        code=disconnected.code if disconnected is not None else 0,
        connected_s=disconnected.connected_s if disconnected is not None else 0.0,
    )
