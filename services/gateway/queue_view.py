"""The queue of a space as the HTTP API shows it: the wire types. Pure."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.contracts.rpc import SpaceOverview
from services.gateway.view import self_url


class WaitingObject(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits. `position`: 1 is the next to go."""

    id: str
    position: int
    url: str


class SpaceQueueObject(msgspec.Struct, frozen=True, kw_only=True):
    """The queue of a space. `queued` requests wait, of which `delayed` are to be tried again later or are just being
    assigned; `processing` ones are with an agent. `slots` are those of its ready agents, which may serve other spaces too;
    `free` ones take a request at once. `next`: of the first hundred, those that the caller may read."""

    space: str
    paused: bool
    queued: int
    delayed: int
    processing: int
    slots: int
    free: int
    oldest_s: Annotated[float | None, Meta(description="How long the oldest has been waiting; null: none waits.")]
    eta_s: Annotated[
        float | None,
        Meta(description="A request that came in now would be assigned in about so many seconds; null: nobody can tell."),
    ]
    next: list[WaitingObject]


def queue_object(space: str, paused: bool, seen: SpaceOverview, user: str | None) -> SpaceQueueObject:
    """The object of a queue for a user, or for somebody who may read the requests of all (None)."""
    waiting = [
        WaitingObject(id=each.rid, position=position, url=self_url(each.rid))
        for position, each in enumerate(seen.next, 1)
        if user is None or each.user == user
    ]
    return SpaceQueueObject(
        space=space,
        paused=paused,
        queued=seen.waiting + seen.delayed,
        delayed=seen.delayed,
        processing=seen.processing,
        slots=seen.slots,
        free=seen.free,
        oldest_s=seen.oldest_s,
        eta_s=seen.eta_s,
        next=waiting,
    )
