"""Spaces as the HTTP API takes and shows them. Pure; the wire types, from which OpenAPI is generated."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.contracts.accounts import SETTINGS, Space
from services.contracts.directory import (
    EXECUTION_TIMEOUT_S,
    MAX_ATTEMPTS,
    MAX_IN_FLIGHT,
    MAX_TITLE,
    QUEUE_LIMIT,
    RETENTION_S,
    START_TIMEOUT_S,
    Feature,
    MemberRole,
    OnNoAgent,
    Policy,
    Visibility,
)
from services.contracts.features import FEATURES, features_of, schema_of
from services.contracts.rpc import CreateSpace, EditSpace, SpaceQueue
from services.gateway.problems import ApiProblem

_OBJECT: dict[str, Any] = {"type": "object"}
_Slug = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,47}$")]
_Title = Annotated[str, Meta(max_length=MAX_TITLE)]
_StartTimeout = Annotated[float, Meta(ge=START_TIMEOUT_S[0], le=START_TIMEOUT_S[1])]
_ExecutionTimeout = Annotated[float, Meta(ge=EXECUTION_TIMEOUT_S[0], le=EXECUTION_TIMEOUT_S[1])]
_MaxAttempts = Annotated[int, Meta(ge=MAX_ATTEMPTS[0], le=MAX_ATTEMPTS[1])]
_QueueLimit = Annotated[int, Meta(ge=QUEUE_LIMIT[0], le=QUEUE_LIMIT[1], description="0: any number may wait")]

_InFlight = Annotated[
    int, Meta(ge=MAX_IN_FLIGHT[0], le=MAX_IN_FLIGHT[1], description="So many run at once at most; null: any number")
]
_Retention = Annotated[
    float,
    Meta(ge=RETENTION_S[0], le=RETENTION_S[1], description="So long after its end a request's data are kept; null: always"),
]
_Features = Annotated[tuple[Feature, ...], Meta(description="Which usual fields inputs have; none: any object will do")]
_Schema = Annotated[
    dict[str, Any],
    Meta(description="A JSON Schema (2020-12) of inputs, in place of the features'; empty: none", extra_json_schema=_OBJECT),
]
_Example = Annotated[dict[str, Any], Meta(description="An input that fits; empty: none", extra_json_schema=_OBJECT)]

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
    visibility: Visibility | UnsetType = UNSET
    features: _Features | UnsetType = UNSET
    input_schema: _Schema | UnsetType = UNSET
    example_input: _Example | UnsetType = UNSET
    max_in_flight: _InFlight | UnsetType | None = UNSET
    max_in_flight_per_user: _InFlight | UnsetType | None = UNSET
    retention_s: _Retention | UnsetType | None = UNSET


class CreateSpaceBody(EditSpaceBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new space. `owner`, by default the caller, is for administrators."""

    id: _Slug
    owner: str | UnsetType = UNSET


class SpaceUrlsObject(msgspec.Struct, frozen=True, rename={"itself": "self"}):
    """Where to look further: the space, and where to submit."""

    itself: str
    requests: str


class ListedSpaceObject(msgspec.Struct, frozen=True, kw_only=True):
    """A space. Timeouts (seconds) and `max_attempts` are what a submission has that does not say otherwise. `connections`:
    `one` agent may be connected, or `many`. `on_no_agent`: while none is, a submission waits (`queue`) or is refused
    (`reject`). `queue_limit`: so many requests may wait, 0 for any number. One that is not `enabled` takes no submissions;
    of one that is `paused` no request is assigned. `visibility`: `everyone` with a key may see it and submit to it, or, of a
    `private` one, its members, according to their roles. `features`: which usual fields its inputs may have. At most
    `max_in_flight` of its requests run at once, and `max_in_flight_per_user` of each user; null: any number. `retention_s`
    after its end a request's data are erased; null: they are kept."""

    id: str
    title: str
    owner: str
    connections: Policy
    start_timeout_s: float
    execution_timeout_s: float
    max_attempts: int
    on_no_agent: OnNoAgent
    queue_limit: int
    visibility: Visibility
    features: list[Feature]
    max_in_flight: int | None
    max_in_flight_per_user: int | None
    retention_s: float | None
    enabled: bool
    paused: bool
    urls: SpaceUrlsObject


class SpaceObject(ListedSpaceObject, frozen=True, kw_only=True):
    """A space, with what its inputs must be: `input_schema`, its own or that of its `features`; null: any object."""

    input_schema: Annotated[dict[str, Any] | None, Meta(extra_json_schema={"type": ["object", "null"]})]
    example_input: Annotated[dict[str, Any] | None, Meta(extra_json_schema={"type": ["object", "null"]})]


class SpacesObject(msgspec.Struct, frozen=True, kw_only=True):
    """A list of spaces."""

    results: list[ListedSpaceObject]


class MemberBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user is to be in a space."""

    role: MemberRole


class MemberObject(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a space: a `viewer` sees it, a `submitter` also submits to it, a `manager` also changes it."""

    user: str
    role: MemberRole


class MembersObject(msgspec.Struct, frozen=True, kw_only=True):
    """A list of members."""

    results: list[MemberObject]


class PurgedObject(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests were canceled. `more`: others wait that it had no time for; ask again."""

    canceled: int
    more: bool


def space_url(slug: str) -> str:
    """The path of a space."""
    return f"/v1/spaces/{slug}"


def space_object(space: Space) -> SpaceObject:
    """The object of a space."""
    schema = space.input_schema or schema_of(space.features)
    return SpaceObject(**_listed(space), input_schema=schema, example_input=space.example_input or None)


def listed_space(space: Space) -> ListedSpaceObject:
    """The object of a space in a list."""
    return ListedSpaceObject(**_listed(space))


def edited(space: Space, body: EditSpaceBody) -> Space:
    """The space as an edit would leave it."""
    given = {name: value for name in SETTINGS if (value := getattr(body, name)) is not UNSET}
    return msgspec.structs.replace(space, **given)


def _listed(space: Space) -> dict[str, Any]:
    settings = {name: getattr(space, name) for name in SETTINGS if name not in ("input_schema", "example_input")}
    url = space_url(space.space)
    features = features_of(space.input_schema) if space.input_schema else space.features
    return settings | {
        "id": space.space,
        "owner": space.owner,
        "features": [name for name in FEATURES if name in features],
        "enabled": space.enabled,
        "paused": space.paused,
        "urls": SpaceUrlsObject(url, f"{url}/requests"),
    }


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
