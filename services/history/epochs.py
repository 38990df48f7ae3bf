"""PURE: which streams NATS has lost, as the log sees it, and so begin anew in another epoch."""

from collections.abc import Iterable
from typing import NamedTuple

from services.history.positions import Position, Stamp, contradiction


class Held(NamedTuple):
    """The stream that NATS has under a name: its epoch, and its last sequence."""

    epoch: int
    last_seq: int


class Standing(NamedTuple):
    """What log and NATS say of one recorded stream; `recorded` and `stored` are what they hold at the position."""

    stream: str
    position: Position
    held: Held | None
    recorded: Stamp | None = None
    stored: Stamp | None = None


class Latest(NamedTuple):
    """The recovery that was begun last."""

    epoch: int
    complete: bool


class Anew(NamedTuple):
    """The streams that begin anew in `epoch`, each with the reason. `begun`: the log has turned to that epoch already."""

    epoch: int
    streams: dict[str, str]
    begun: bool


def anew(standings: Iterable[Standing], latest: Latest | None, keys_lost: bool) -> Anew | None:
    """What a recovery has to do; None when NATS has lost nothing. `keys_lost`: the bucket of idempotency keys is gone.

    A recovery that was not completed goes on, unless NATS has lost again what was recorded of it: then its streams, and what
    else was lost, begin anew once more."""
    standings = list(standings)
    unfinished = latest.epoch if latest is not None and not latest.complete else None
    lost = {standing.stream: why for standing in standings if (why := _fault(standing, unfinished)) is not None}
    members = {s.stream: "its recovery is not complete" for s in standings if s.position.epoch == unfinished}
    if unfinished is not None and not lost:
        return Anew(unfinished, members, begun=True)
    if not lost and not keys_lost:
        return None
    known = [standing.position.epoch for standing in standings]
    known += [standing.held.epoch for standing in standings if standing.held is not None]
    known += [latest.epoch] if latest is not None else []
    return Anew(max(known, default=0) + 1, members | lost, begun=False)


def _fault(standing: Standing, unfinished: int | None) -> str | None:
    position, held = standing.position, standing.held
    if position.epoch == unfinished and position.seq < position.first_seq and (held is None or held.epoch < unfinished):
        return None  # the recovery did not come to making it
    if held is None:
        return "it is gone"
    return contradiction(position, held.epoch, held.last_seq, standing.recorded, standing.stored)
