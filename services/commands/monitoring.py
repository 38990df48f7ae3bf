"""`spaces stats`, `spaces warnings` and `spaces connections`."""

from typing import TYPE_CHECKING

import click

from services.commands.connection import FAILED, OK, connected
from services.commands.lists import MOST

if TYPE_CHECKING:
    from spaces_client import Client


@click.command(short_help="Numbers of requests, and how long they took.")
@click.option("--space", metavar="SPACE", help="Only those of this space.")
@click.option(
    "--window", type=click.Choice(["5m", "1h", "24h"]), default="1h", show_default=True, help="How far back to look."
)
@click.option("--json", "as_json", is_flag=True, help="For programs: the numbers as one line of JSON.")
@connected
def stats(client: "Client", space: str | None, window: str, as_json: bool) -> int:
    """How many requests came in and ended within a window, and how long they waited and ran: one's own, to an administrator
    all.

    \b
    Examples:
      spaces stats
      spaces stats --space demo --window 5m --json | jq .run_s.p95

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import answers, tables

    found = client.stats(space=space, window=window)
    return answers.one(found, tables.stats, as_json=as_json)


@click.command(short_help="What needs somebody, and what to do about it.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the warnings as one line of JSON.")
@connected
def warnings(client: "Client", as_json: bool) -> int:
    """Show what needs somebody now, the worst first, each with what to do: requests without an agent, queues that grow,
    spaces that fail, agents that connect again and again; to administrators also services, streams and PostgreSQL.

    \b
    Examples:
      spaces warnings
      spaces warnings --json | jq -r '.results[] | select(.severity == "critical") | .detail'

    It ends with status 0 when all is well, 1 when there is a warning or it was refused, 2 when it could not be asked for."""
    from services.commands import answers, tables

    found = client.warnings()
    answers.listed(found, tables.warnings, "all is well", as_json=as_json)
    return FAILED if found else OK


@click.command(short_help="When agents were connected, and why no longer.")
@click.option("--agent", metavar="ID", help="Only those of this agent (OWNER/NAME, see `spaces agents ls`).")
@click.option("--space", metavar="SPACE", help="Only those that were let serve this space.")
@click.option("--limit", type=click.IntRange(1, MOST), default=20, show_default=True, metavar="N", help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the connections as one line of JSON.")
@connected
def connections(client: "Client", agent: str | None, space: str | None, limit: int, as_json: bool) -> int:
    """List connections of agents, the newest first, also those that have ended: of one's own agents, to an administrator of
    all.

    \b
    Examples:
      spaces connections --space demo
      spaces connections --json | jq -r '.results[] | select(.code == 1006) | .agent' | sort | uniq -c

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import answers, tables

    found = list(client.connections(agent=agent, space=space, limit=limit))
    return answers.listed(found, tables.connections, "there is no such connection", as_json=as_json)
