"""Lists as tables for people. Pure."""

from collections.abc import Iterable, Sequence

from services.commands import showing, text
from spaces_client.accounts import Key, User
from spaces_client.monitoring import PastConnection, Percentiles, Stats, Warning
from spaces_client.objects import ConnectedAgent, Request

_LONGEST = 60
"""Of a reason no more characters than this stand in a table."""


def agents(found: Iterable[ConnectedAgent]) -> str:
    """Agents, one on a line."""
    rows = [
        (agent.id, agent.state, f"{agent.running} of {agent.slots}", ", ".join(agent.spaces), agent.gateway)
        for agent in found
    ]
    return aligned(("AGENT", "STATE", "RUNNING", "SPACES", "GATEWAY"), rows)


def requests(found: Iterable[Request]) -> str:
    """Requests, one on a line."""
    rows = []
    for request in found:
        created = f"{request.created_at:%Y-%m-%d %H:%M:%S}" if request.created_at is not None else ""
        took = showing.seconds(request.metrics.total_s) if request.metrics.total_s is not None else ""
        error = text.line(showing.error(request.error), _LONGEST) if request.error is not None else ""
        rows.append(
            (request.id, request.space, request.status, created, took, request.agent.id if request.agent else "", error)
        )
    return aligned(("REQUEST", "SPACE", "STATUS", "CREATED (UTC)", "TOOK", "AGENT", "ERROR"), rows)


def connections(found: Iterable[PastConnection]) -> str:
    """Connections of agents, one on a line."""
    rows = []
    for each in found:
        begun = f"{each.connected_at:%Y-%m-%d %H:%M:%S}" if each.connected_at is not None else ""
        lasted = showing.seconds(each.connected_s) if each.connected_s is not None else ""
        ended = (
            ""
            if each.disconnected_at is None
            else f"{each.reason or 'no reason'}" + (f" ({each.code})" if each.code else "")
        )
        rows.append((each.agent, begun, lasted, ended, ", ".join(each.spaces), each.gateway, each.address))
    return aligned(("AGENT", "CONNECTED (UTC)", "LASTED", "ENDED BY", "SPACES", "GATEWAY", "ADDRESS"), rows)


def keys(found: Iterable[Key]) -> str:
    """Keys, one on a line."""
    rows = [
        (
            key.id,
            key.kind,
            key.name,
            key.user,
            ", ".join(key.scopes),
            ", ".join(key.spaces) or "all",
            "" if key.max_in_flight is None else str(key.max_in_flight),
            "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M:%S}",
        )
        for key in found
    ]
    return aligned(("KEY", "KIND", "NAME", "USER", "SCOPES", "SPACES", "AT ONCE", "EXPIRES (UTC)"), rows)


def users(found: Iterable[User]) -> str:
    """Users, one on a line."""
    rows = [(user.id, user.email, user.role, "disabled" if user.disabled else "enabled") for user in found]
    return aligned(("USER", "E-MAIL", "ROLE", "STATE"), rows)


def stats(found: Stats) -> str:
    """Numbers of requests, line by line."""
    ended = ", ".join(f"{count} {status}" for status, count in found.ended.items() if count)
    rate = "" if found.success_rate is None else f"{found.success_rate:.1%}"
    fields = [
        ("space", found.space or "all"),
        ("window", showing.seconds(found.window_s)),
        ("accepted", f"{found.accepted}"),
        ("ended", f"{sum(found.ended.values())}" + (f": {ended}" if ended else "")),
        ("per second", f"{found.throughput:.3g}"),
        ("succeeded", rate),
        ("waited", _percentiles(found.queue_s)),
        ("ran", _percentiles(found.run_s)),
    ]
    return "\n".join(f"{name:<12}{text.line(value)}" for name, value in fields if value)


def warnings(found: Iterable[Warning]) -> str:
    """Warnings, each with what to do on a line of its own."""
    lines = []
    for each in found:
        subject = each.space or each.subject
        about = f"{text.line(subject)}: " if subject else ""
        lines.append(f"{text.line(each.severity):<9} {about}{text.line(each.detail)}\n{'':<10}{text.line(each.remedy)}")
    return "\n".join(lines)


def _percentiles(given: Percentiles | None) -> str:
    if given is None:
        return ""
    return f"p50 {showing.seconds(given.p50)}, p95 {showing.seconds(given.p95)}, p99 {showing.seconds(given.p99)}"


def aligned(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table: its head, and one line for each row."""
    safe = [[text.line(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in safe) for column in range(len(head))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in safe)
