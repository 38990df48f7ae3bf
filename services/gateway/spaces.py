"""Spaces as the HTTP API takes and shows them. Pure; the wire types, from which OpenAPI is generated."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.contracts.accounts import SETTINGS, Space
from services.contracts.directory import (
    EXECUTION_TIMEOUT_S,
    MAX_ATTEMPTS,
    MAX_TITLE,
    QUEUE_LIMIT,
    START_TIMEOUT_S,
    OnNoAgent,
    Policy,
)
from services.contracts.rpc import CreateSpace, EditSpace, SpaceQueue
from services.gateway.problems import ApiProblem

_Slug = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,47}$")]
_Title = Annotated[str, Meta(max_length=MAX_TITLE)]
_StartTimeout = Annotated[float, Meta(ge=START_TIMEOUT_S[0], le=START_TIMEOUT_S[1])]
_ExecutionTimeout = Annotated[float, Meta(ge=EXECUTION_TIMEOUT_S[0], le=EXECUTION_TIMEOUT_S[1])]
_MaxAttempts = Annotated[int, Meta(ge=MAX_ATTEMPTS[0], le=MAX_ATTEMPTS[1])]
_QueueLimit = Annotated[int, Meta(ge=QUEUE_LIMIT[0], le=QUEUE_LIMIT[1], description="0: any number may wait")]

_SOON = {"Retry-After": "1"}


class EditSpaceBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other settings for a space; what is absent stays as it is."""

    title: _Title | UnsetType = UNSET
    connections: Policy | UnsetType = UNSET
    start_timeout_s: _StartTimeout | UnsetType = UNSET
    execution_timeout_s: _ExecutionTimeout | UnsetType = UNSET
    max_attempts: _MaxAttempts | UnsetType = UNSET
    on_no_agent: OnNoAgent | UnsetType = UNSET
    queue_limit: _QueueLimit | UnsetType = UNSET


class CreateSpaceBody(EditSpaceBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new space. `owner`, by default the caller, is for administrators."""

    id: _Slug
    owner: str | UnsetType = UNSET


class SpaceUrlsObject(msgspec.Struct, frozen=True, rename={"itself": "self"}):
    """Where to look further: the space, and where to submit."""

    itself: str
    requests: str


class SpaceObject(msgspec.Struct, frozen=True, kw_only=True):
    """A space. Timeouts (seconds) and `max_attempts` are what a submission has that does not say otherwise. `connections`:
    `one` agent may be connected, or `many`. `on_no_agent`: while none is, a submission waits (`queue`) or is refused
    (`reject`). `queue_limit`: so many requests may wait, 0 for any number. One that is not `enabled` takes no submissions;
    of one that is `paused` no request is assigned."""

    id: str
    title: str
    owner: str
    connections: Policy
    start_timeout_s: float
    execution_timeout_s: float
    max_attempts: int
    on_no_agent: OnNoAgent
    queue_limit: int
    enabled: bool
    paused: bool
    urls: SpaceUrlsObject


class SpacesObject(msgspec.Struct, frozen=True, kw_only=True):
    """A list of spaces."""

    results: list[SpaceObject]


class PurgedObject(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests were canceled. `more`: others wait that it had no time for; ask again."""

    canceled: int
    more: bool


def space_url(slug: str) -> str:
    """The path of a space."""
    return f"/v1/spaces/{slug}"


def space_object(space: Space) -> SpaceObject:
    """The object of a space."""
    settings = {name: getattr(space, name) for name in SETTINGS}
    url = space_url(space.space)
    urls = SpaceUrlsObject(url, f"{url}/requests")
    return SpaceObject(id=space.space, owner=space.owner, enabled=space.enabled, paused=space.paused, urls=urls, **settings)


def refusal(space: Space, queue: SpaceQueue | None, admitted: int) -> ApiProblem | None:
    """Why a submission does not fit into the queue of its space; None when it does, or when nobody knows the queue.
    `admitted` have come in since the queue was looked at, and are taken to wait."""
    if queue is None:
        return None
    if space.on_no_agent == "reject" and not queue.online:
        return ApiProblem("no_agent_online", f"No agent of the space {space.space} is connected.", headers=_SOON)
    if space.queue_limit and queue.waiting + admitted >= space.queue_limit:
        detail = f"{space.queue_limit} requests of the space {space.space} wait already: it takes no more."
        return ApiProblem("queue_full", detail, headers=_SOON)
    return None


def creation(body: CreateSpaceBody, owner: str, actor: str) -> CreateSpace:
    """The command that creates a space; what the body leaves out is the command's default."""
    given = {name: value for name in SETTINGS if (value := getattr(body, name)) is not UNSET}
    return CreateSpace(space=body.id, owner=owner, actor=actor, **given)


def edition(body: EditSpaceBody, slug: str, actor: str) -> EditSpace:
    """The command that edits a space."""
    return EditSpace(space=slug, actor=actor, **{name: getattr(body, name) for name in SETTINGS})
