"""The one transition table of a request. Whoever folds or writes request events asks here."""

from typing import Literal

Status = Literal["queued", "processing", "succeeded", "failed", "canceled", "expired"]

OPEN: frozenset[Status] = frozenset({"queued", "processing"})

TRANSITIONS: dict[tuple[Status | None, str], Status] = {
    (None, "accepted"): "queued",
    (None, "restored"): "queued",
    ("queued", "assigned"): "processing",
    ("queued", "expired"): "expired",
    ("queued", "failed"): "failed",
    ("queued", "canceled"): "canceled",
    ("processing", "requeued"): "queued",
    ("processing", "succeeded"): "succeeded",
    ("processing", "failed"): "failed",
    ("processing", "canceled"): "canceled",
    ("succeeded", "erased"): "succeeded",
    ("failed", "erased"): "failed",
    ("canceled", "erased"): "canceled",
    ("expired", "erased"): "expired",
}


class InvalidTransition(ValueError):
    """The chain holds an event that cannot follow the state before it."""

    def __init__(self, before: Status | None, event: str) -> None:
        super().__init__(f"{event} cannot follow {before or 'nothing'}")
        self.before, self.event = before, event


def after(before: Status | None, event: str) -> Status:
    """The status after an event. Raises InvalidTransition."""
    try:
        return TRANSITIONS[before, event]
    except KeyError:
        raise InvalidTransition(before, event) from None
