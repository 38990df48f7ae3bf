"""`spaces requests ls`."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from services.commands.connection import connected

if TYPE_CHECKING:
    from spaces_client import Client

MOST = 10_000
_STATUSES = ["queued", "processing", "succeeded", "failed", "canceled", "expired"]


@click.command("ls", short_help="List requests, the newest first.")
@click.option("--space", metavar="SPACE", help="Only those of this space.")
@click.option(
    "--status", type=click.Choice(_STATUSES), multiple=True, metavar="STATUS",
    help=f"Only those with this status; may be given several times. One of {', '.join(_STATUSES)}.",
)  # fmt: skip
@click.option("--user", metavar="USER", help="Only those of this user, by id or e-mail address (for administrators).")
@click.option("--since", metavar="WHEN", help="Only those created since then: 30m, 12h, 7d ago, or 2025-01-31T09:30:00Z.")
@click.option("--until", metavar="WHEN", help="Only those created before then.")
@click.option("--limit", type=click.IntRange(1, MOST), default=20, show_default=True, metavar="N", help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the requests as one line of JSON.")
@connected
def ls(
    client: "Client",
    space: str | None,
    status: tuple[str, ...],
    user: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
) -> int:
    """List requests, the newest first: one's own, to an administrator all. Inputs and outputs are not listed: see `spaces
    requests show`.

    \b
    Examples:
      spaces requests ls --space demo --status failed --since 1d
      spaces requests ls --status queued --status processing
      spaces requests ls --limit 1000 --json | jq -r '.results[] | select(.metrics.total_s > 10) | .id'

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import answers, tables

    listed = client.requests(
        space=space,
        status=status,
        user=user,
        created_after=given_instant(since),
        created_before=given_instant(until),
        limit=limit,
    )
    found = list(listed)
    return answers.listed(found, tables.requests, "there is no such request", as_json=as_json)


def given_instant(typed: str | None) -> datetime | None:
    """The instant of an option. Raises UsageError."""
    from services.commands.instants import BadInstant, instant

    try:
        return None if typed is None else instant(typed, datetime.now().astimezone())
    except BadInstant as error:
        raise click.UsageError(str(error)) from error
