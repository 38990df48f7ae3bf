"""Lists as tables for people. Pure."""

from collections.abc import Iterable, Sequence

from services.commands import showing, text
from spaces_client.objects import ConnectedAgent, Request

_LONGEST = 60
"""Of a reason no more characters than this stand in a table."""


def agents(found: Iterable[ConnectedAgent]) -> str:
    """Agents, one on a line."""
    rows = [
        (agent.id, agent.state, f"{agent.running} of {agent.slots}", ", ".join(agent.spaces), agent.gateway)
        for agent in found
    ]
    return _aligned(("AGENT", "STATE", "RUNNING", "SPACES", "GATEWAY"), rows)


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
    return _aligned(("REQUEST", "SPACE", "STATUS", "CREATED (UTC)", "TOOK", "AGENT", "ERROR"), rows)


def _aligned(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    safe = [[text.line(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in safe) for column in range(len(head))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in safe)
