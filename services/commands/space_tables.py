"""Spaces as people see them. Pure."""

from collections.abc import Iterable

from services.commands import showing, tables, text
from spaces_client.spaces import Member, Space, SpaceHealth, SpaceQueue

_UNKNOWN = "not known"


def spaces(found: Iterable[Space]) -> str:
    """Spaces, one on a line."""
    rows = [(each.id, state(each), each.visibility, each.owner, each.title) for each in found]
    return tables.aligned(("SPACE", "STATE", "FOR", "OWNER", "TITLE"), rows)


def state(space: Space) -> str:
    """Whether it takes submissions, and assigns them."""
    return "disabled" if not space.enabled else "paused" if space.paused else "open"


def space(shown: Space) -> str:
    """A space, setting by setting."""
    fields = [
        ("id", shown.id),
        ("title", shown.title),
        ("state", state(shown)),
        ("owner", shown.owner),
        ("for", "its members" if shown.visibility == "private" else shown.visibility),
        ("agents", "one at a time" if shown.connections == "one" else shown.connections),
        ("no agent", {"queue": "requests wait", "reject": "requests are refused"}.get(shown.on_no_agent, shown.on_no_agent)),
        ("queue", f"{shown.queue_limit} at most" if shown.queue_limit else "of any length"),
        ("at once", _at_once(shown)),
        ("starts in", f"{showing.seconds(shown.start_timeout_s)}, or expires"),
        ("runs for", f"{showing.seconds(shown.execution_timeout_s)}, or fails"),
        ("attempts", f"{shown.max_attempts}"),
        ("data kept", "for ever" if shown.retention_s is None else f"{showing.seconds(shown.retention_s)} after the end"),
        ("features", ", ".join(shown.features)),
        ("inputs", "any object" if shown.input_schema is None else text.json(shown.input_schema)),
        ("example", "" if shown.example_input is None else text.json(shown.example_input)),
    ]
    return _block(fields)


def _at_once(shown: Space) -> str:
    whole = "any number" if shown.max_in_flight is None else f"{shown.max_in_flight}"
    return whole if shown.max_in_flight_per_user is None else f"{whole}, {shown.max_in_flight_per_user} of each user"


def health(shown: SpaceHealth) -> str:
    """How a space is."""
    rate = "" if shown.success_rate is None else f"{shown.success_rate:.1%} in {showing.seconds(shown.window_s)}"
    fields = [
        ("status", shown.status),
        *(("because", reason) for reason in shown.reasons),
        ("agents", _UNKNOWN if shown.agents is None else f"{shown.agents}, with {shown.slots} slots that are ready"),
        ("waiting", _UNKNOWN if shown.queued is None else f"{shown.queued}"),
        ("succeeded", rate),
    ]
    return _block(fields)


def queue(shown: SpaceQueue) -> str:
    """What waits and runs, and who is next."""
    fields = [
        ("waiting", f"{shown.queued}" + (f", {shown.delayed} of them for another attempt" if shown.delayed else "")),
        ("running", f"{shown.processing}"),
        ("slots", f"{shown.free} free of {shown.slots}"),
        ("oldest", "" if shown.oldest_s is None else f"waits for {showing.seconds(shown.oldest_s)}"),
        ("a new one", "" if shown.eta_s is None else f"is assigned in about {showing.seconds(shown.eta_s)}"),
        ("paused", "yes: nothing is assigned" if shown.paused else ""),
    ]
    rows = [(f"{each.position}", each.id) for each in shown.next]
    return _block(fields) + (f"\n\n{tables.aligned(('PLACE', 'REQUEST'), rows)}" if rows else "")


def members(found: Iterable[Member]) -> str:
    """Members, one on a line."""
    return tables.aligned(("USER", "ROLE"), [(each.user, each.role) for each in found])


def _block(fields: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"{name:<11}{text.line(value, showing.LONGEST)}" for name, value in fields if value)
