"""What the page shows where one uses a space. Pure."""

from dataclasses import dataclass

from services.contracts.accounts import Space, User
from services.contracts.directory import RETENTION_S
from services.contracts.features import schema_of
from services.contracts.standing import is_at_least
from services.gateway.intake import ATTEMPTS, MAX_EXECUTION_TIMEOUT_S, MAX_START_TIMEOUT_S, PRIORITY
from services.gateway.web.input_fields import InputForm
from services.gateway.web.input_form import input_form

ANYTHING = {"prompt": "hello"}
"""An input to begin with where any will do."""
LIMITS = {
    "execution_timeout_s": (0.1, MAX_EXECUTION_TIMEOUT_S),
    "start_timeout_s": (0.1, MAX_START_TIMEOUT_S),
    "priority": PRIORITY,
    "max_attempts": ATTEMPTS,
    "retention_s": RETENTION_S,
}
"""The least and the most that an option of a request may be; a form has no word for more than nothing."""


@dataclass(frozen=True, slots=True)
class UseView:
    """A space to be used. `gateway` is where programs reach it; `submits`, `manages`: whether the visitor may submit to it,
    and change it; `ask`: the address of whom to ask for what one may not do oneself, empty when that is nobody's business.
    `now` is the instant at which the page was made (nanoseconds since 1970): browsers compare their clock with it.
    `input` is the form, for files of at most `most_bytes`; `limits` are those of the options."""

    space: Space
    gateway: str
    submits: bool
    manages: bool
    ask: str
    input: InputForm
    most_bytes: int
    limits: dict[str, tuple[float, float]]
    now: int


def use_view(space: Space, user: User, owner: User | None, gateway: str, now: int, most_bytes: int) -> UseView:
    """The page of a space as a user sees it. Members of a private space know each other; strangers learn no addresses."""
    schema = space.input_schema or schema_of(space.features)
    known = owner is not None and (space.visibility == "private" or user.role == "admin")
    return UseView(
        space=space,
        gateway=gateway,
        submits=is_at_least(space, user, "submitter"),
        manages=is_at_least(space, user, "manager"),
        ask=owner.email if owner is not None and known and owner.user != user.user else "",
        input=input_form(schema, space.example_input or ({} if schema else ANYTHING)),
        most_bytes=most_bytes,
        limits=LIMITS,
        now=now,
    )
