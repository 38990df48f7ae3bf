"""What the gateway tells of spaces. Pure. Like `objects`, it need not be of its version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import msgspec

from spaces_client.objects import NOTHING


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """A space. Timeouts (seconds) and `max_attempts` are what a submission has that does not say otherwise. `connections`:
    `one` agent may be connected, or `many`. `on_no_agent`: while none is, a submission waits (`queue`) or is refused
    (`reject`). `queue_limit`: so many requests may wait, 0 for any number; `max_in_flight`: so many run at once,
    `max_in_flight_per_user` of each user, None for any number. `retention_s` after its end a request's data are erased,
    None: they are kept. One that is not `enabled` takes no submissions; of one that is `paused` none is assigned.
    `visibility`: it is for `everyone`, or, `private`, for its members. `input_schema`: what inputs must be, None for any
    object; a list of spaces leaves it and `example_input` out."""

    id: str
    title: str = ""
    owner: str = ""
    connections: str = ""
    start_timeout_s: float = 0.0
    execution_timeout_s: float = 0.0
    max_attempts: int = 0
    on_no_agent: str = ""
    queue_limit: int = 0
    max_in_flight: int | None = None
    max_in_flight_per_user: int | None = None
    retention_s: float | None = None
    visibility: str = ""
    features: list[str] = []
    enabled: bool = True
    paused: bool = False
    input_schema: dict[str, Any] | None = None
    example_input: dict[str, Any] | None = None
    raw: msgspec.Raw = NOTHING


class Settings(TypedDict, total=False):
    """What can be set of a space, see `Space`; what is left out stays as it is. `features`: which of `prompt`, `audio`,
    `video` and `file` inputs may have; `input_schema`: a JSON Schema in place of these, `{}` for none."""

    title: str
    connections: str
    start_timeout_s: float
    execution_timeout_s: float
    max_attempts: int
    on_no_agent: str
    queue_limit: int
    max_in_flight: int | None
    max_in_flight_per_user: int | None
    retention_s: float | None
    visibility: str
    features: Sequence[str]
    input_schema: Mapping[str, Any]
    example_input: Mapping[str, Any]


class NewSpace(Settings, total=False):
    """What a new space can have: `owner` (a user's id) is for administrators."""

    owner: str


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a space (`user` is an id): a `viewer` sees it, a `submitter` also submits to it, a `manager` also
    changes it."""

    user: str
    role: str = ""
    raw: msgspec.Raw = NOTHING


class Purged(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests were canceled. `more`: others wait that there was no time for; ask again."""

    canceled: int
    more: bool = False
    raw: msgspec.Raw = NOTHING


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits. `position`: 1 is the next to go."""

    id: str
    position: int


class SpaceQueue(msgspec.Struct, frozen=True, kw_only=True):
    """The queue of a space. `queued` requests wait, of which `delayed` are to be tried again later; `processing` are with an
    agent. `slots` are those of its ready agents, `free` ones take a request at once. `oldest_s`: so long the oldest has
    waited; `eta_s`: a request that came in now would be assigned in about so many seconds; None: there is none, nobody can
    tell. `next`: of the first hundred that wait, those that one may read."""

    space: str
    paused: bool = False
    queued: int = 0
    delayed: int = 0
    processing: int = 0
    slots: int = 0
    free: int = 0
    oldest_s: float | None = None
    eta_s: float | None = None
    next: list[Waiting] = []
    raw: msgspec.Raw = NOTHING


class SpaceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a space is: `ok`, `degraded`, `no_agent`, `paused` or `disabled`, and in `reasons` why it is not `ok`. What is
    None nobody could tell. `success_rate`: the part of the requests that ended within `window_s` seconds."""

    space: str
    status: str
    reasons: list[str] = []
    agents: int | None = None
    slots: int | None = None
    queued: int | None = None
    window_s: int = 0
    success_rate: float | None = None
    raw: msgspec.Raw = NOTHING
