"""`spaces audit`."""

from typing import TYPE_CHECKING

import click

from services.commands.connection import connected
from services.commands.lists import MOST, given_instant

if TYPE_CHECKING:
    from spaces_client import Client


@click.command(short_help="Who did what to users, keys and spaces.")
@click.option("--actor", metavar="USER", help="Only what this user did, by id or e-mail address; `system`: nobody.")
@click.option("--user", metavar="USER", help="Only what concerns this user, by id or e-mail address.")
@click.option("--space", metavar="SPACE", help="Only what was done to this space.")
@click.option(
    "--type", "types", multiple=True, metavar="TYPE",
    help="Only events of this type, like user_created or key_revoked; may be given several times.",
)  # fmt: skip
@click.option("--since", metavar="WHEN", help="Only what was done since then: 30m, 12h, 7d ago, or 2025-01-31T09:30:00Z.")
@click.option("--until", metavar="WHEN", help="Only what was done before then.")
@click.option("--limit", type=click.IntRange(1, MOST), default=20, show_default=True, metavar="N", help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the events as one line of JSON.")
@connected
def audit(
    client: "Client",
    actor: str | None,
    user: str | None,
    space: str | None,
    types: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
) -> int:
    """List what was done to users, keys and spaces, and by whom, the newest first. For administrators, with the scope
    `manage`. Hashes of passwords and keys are not shown.

    \b
    Examples:
      spaces audit --since 7d
      spaces audit --actor ada@example.org --type key_revoked
      spaces audit --space demo --json | jq -r '.results[] | [.at, .type, .actor.email] | @tsv'

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import answers, audit_table

    listed = client.audit(
        actor=actor,
        user=user,
        space=space,
        type=types,
        since=given_instant(since),
        until=given_instant(until),
        limit=limit,
    )
    return answers.listed(list(listed), audit_table.audit, "nothing like that was done", as_json=as_json)
