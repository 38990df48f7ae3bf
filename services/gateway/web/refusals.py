"""Errors as pages: what went wrong, and what to do about it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.contracts.problems import PROBLEMS

Reason = Literal["forbidden", "not_found", "too_often", "away", "broken"]
_REASONS: Mapping[int, Reason] = {403: "forbidden", 404: "not_found", 429: "too_often", 500: "broken", 503: "away"}
_FOR_PROGRAMS = ("/v1", "/static", "/healthz", "/readyz", "/metrics")


@dataclass(frozen=True, slots=True)
class RefusedView:
    """Why there is no page. `again_s`: trying again may help after so many seconds; 0: nobody knows when."""

    status: int
    reason: Reason
    again_s: int


def refused_view(code: str, headers: Mapping[str, str]) -> RefusedView:
    """The view of a problem, with the headers of its answer."""
    status = PROBLEMS[code].status
    again = headers.get("Retry-After", "0")
    return RefusedView(status, _REASONS.get(status, "not_found"), int(again) if again.isdigit() else 0)


def shown_as_page(path: str, accept: str) -> bool:
    """Whether an error at this path is shown to people: never one of the API, whatever a browser accepts."""
    return "text/html" in accept.lower() and not any(path == each or path.startswith(f"{each}/") for each in _FOR_PROGRAMS)
