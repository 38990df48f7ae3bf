"""What the page about who did what shows. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.contracts.audit import TYPES

FILTERS = ("actor", "user", "space", "type", "since", "until")


@dataclass(frozen=True, slots=True)
class AuditView:
    """What is filtered by, as it was typed, empty for nothing, and the types of events that there are. Whether it makes
    sense, the API says."""

    chosen: Mapping[str, str]
    types: tuple[str, ...]

    @property
    def filtered(self) -> bool:
        """Whether anything is."""
        return any(self.chosen.values())


def audit_view(query: Mapping[str, str]) -> AuditView:
    """The view for a query."""
    return AuditView({name: query.get(name, "").strip() for name in FILTERS}, TYPES)
