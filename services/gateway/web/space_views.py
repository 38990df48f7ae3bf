"""What the pages about spaces show. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.contracts.accounts import Space, User
from services.contracts.directory import (
    EXECUTION_TIMEOUT_S,
    MAX_ATTEMPTS,
    MAX_IN_FLIGHT,
    MAX_TITLE,
    QUEUE_LIMIT,
    RETENTION_S,
    START_TIMEOUT_S,
    Feature,
)
from services.contracts.features import FEATURES, schema_of
from services.contracts.rpc import CreateSpace
from services.contracts.standing import is_at_least, may_delete
from services.gateway.web.input_fields import InputForm
from services.gateway.web.input_form import input_form
from services.gateway.web.input_starters import STARTERS, Starter, written

LIMITS = {
    "start_timeout_s": START_TIMEOUT_S,
    "execution_timeout_s": EXECUTION_TIMEOUT_S,
    "max_attempts": MAX_ATTEMPTS,
    "queue_limit": QUEUE_LIMIT,
    "max_in_flight": MAX_IN_FLIGHT,
    "max_in_flight_per_user": MAX_IN_FLIGHT,
    "retention_s": RETENTION_S,
}
"""The least and the most that a setting may be."""


@dataclass(frozen=True, slots=True)
class SpaceCard:
    """A space in the list. `own`: the visitor's."""

    id: str
    title: str
    private: bool
    own: bool


@dataclass(frozen=True, slots=True)
class SpacesView:
    """The spaces that somebody sees, their own first."""

    spaces: tuple[SpaceCard, ...]


@dataclass(frozen=True, slots=True)
class SpaceView:
    """A space and its agents. `gateway` is where these reach it; `manages`, `deletes` what the visitor may do with it."""

    space: Space
    gateway: str
    manages: bool
    deletes: bool


@dataclass(frozen=True, slots=True)
class InputView:
    """The form for inputs of a space (empty: one that is not made yet), in which a file may have so many bytes."""

    form: InputForm
    space: str
    most_bytes: int


@dataclass(frozen=True, slots=True)
class InputTexts:
    """What the inputs of a space are to be, as JSON that can be edited; empty where it says nothing."""

    schema: str
    example: str


@dataclass(frozen=True, slots=True)
class SpaceFormView:
    """The settings of a space, or of one to be made: then `space` has the defaults, and no name."""

    space: Space | CreateSpace
    features: tuple[Feature, ...]
    limits: dict[str, tuple[float, float]]
    longest_title: int
    deletes: bool
    input: InputView
    texts: InputTexts
    starters: tuple[Starter, ...]


def spaces_view(spaces: Iterable[Space], user: User) -> SpacesView:
    """The list of spaces as a user sees it."""
    cards = [SpaceCard(each.space, each.title, each.visibility == "private", each.owner == user.user) for each in spaces]
    return SpacesView(tuple(sorted(cards, key=lambda card: (not card.own, card.id))))


def space_view(space: Space, user: User, gateway: str) -> SpaceView:
    """The page about the agents of a space as a user sees it."""
    return SpaceView(space, gateway, is_at_least(space, user, "manager"), may_delete(space, user))


def form_view(space: Space | None, user: User, most_bytes: int) -> SpaceFormView:
    """The form for a space, or for a new one (None)."""
    shown = space or CreateSpace(space="", owner=user.user)
    form = input_form(shown.input_schema or schema_of(shown.features), shown.example_input)
    return SpaceFormView(
        space=shown,
        features=FEATURES,
        limits=LIMITS,
        longest_title=MAX_TITLE,
        deletes=space is not None and may_delete(space, user),
        input=InputView(form, shown.space, most_bytes),
        texts=InputTexts(written(shown.input_schema), written(shown.example_input)),
        starters=STARTERS,
    )
