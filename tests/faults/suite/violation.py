"""What the checker says."""

from typing import NamedTuple


class Violation(NamedTuple):
    """A promise that was not kept: which, about what (mostly a request's id), and how it shows."""

    rule: str
    about: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.about}: {self.detail}"
