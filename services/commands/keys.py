"""`spaces keys`."""

from typing import TYPE_CHECKING

import click

from services.commands.connection import OK, connected

if TYPE_CHECKING:
    from spaces_client import Client

_SCOPES = ["submit", "read", "manage"]


@click.group(short_help="List, make and revoke keys.")
def keys() -> None:
    """Keys: what programs and agents show to be let in. For all but `me` the key that you use needs the scope `manage`."""


@keys.command(short_help="List keys.")
@click.option("--user", metavar="ID", help="Those of this user (for administrators).")
@click.option("--all", "everybody", is_flag=True, help="Those of all users (for administrators).")
@click.option("--json", "as_json", is_flag=True, help="For programs: the keys as one line of JSON.")
@connected
def ls(client: "Client", user: str | None, everybody: bool, as_json: bool) -> int:
    """List the keys that are not revoked, without their secrets: one's own, or those that are asked for.

    \b
    Examples:
      spaces keys ls
      spaces keys ls --all --json | jq -r '.results[] | select(.expires_at == null) | .id'

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import answers, tables

    if everybody and user is not None:
        raise click.UsageError("give --user or --all, not both")
    found = client.keys(user="" if everybody else user)
    return answers.listed(found, tables.keys, "there is no such key", as_json=as_json)


@keys.command(short_help="Which key do I use?")
@click.option("--json", "as_json", is_flag=True, help="For programs: the key as one line of JSON.")
@connected
def me(client: "Client", as_json: bool) -> int:
    """Show the key that you use, without its secret: what it may do, in which spaces, and until when. Any key may ask.

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for, or the key is not good."""
    from services.commands import answers, tables

    return answers.one(client.my_key(), lambda key: tables.keys([key]), as_json=as_json)


@keys.command(short_help="Make a key, and show its secret this once.")
@click.argument("name")
@click.option("--agent", is_flag=True, help="A key with which agents serve spaces, rather than one for the API.")
@click.option(
    "--scope", "scopes", type=click.Choice(_SCOPES), multiple=True, metavar="SCOPE",
    help=f"What an API key may do: {', '.join(_SCOPES)}; may be given several times.  [default: submit and read]",
)  # fmt: skip
@click.option(
    "--space", "spaces", multiple=True, metavar="SPACE",
    help="Only for this space; may be given several times.  [default: those of the key that you use]",
)  # fmt: skip
@click.option("--expires-in", metavar="SPAN", help="For so long: 12h, 30d.  [default: as long as the key that you use]")
@click.option(
    "--max-in-flight", type=click.IntRange(min=1), metavar="N",
    help="In each space at most so many requests of it run at once.  [default: as of the key that you use]",
)  # fmt: skip
@click.option("--user", metavar="ID", help="For this user (for administrators).")
@click.option("--json", "as_json", is_flag=True, help="For programs: the key with its secret as one line of JSON.")
@connected
def create(
    client: "Client",
    name: str,
    agent: bool,
    scopes: tuple[str, ...],
    spaces: tuple[str, ...],
    expires_in: str | None,
    max_in_flight: int | None,
    user: str | None,
    as_json: bool,
) -> int:
    """Make a key, called NAME. It can do no more than the key that you use.

    The secret goes to standard output, alone; nobody can show it again. What else there is to say goes to standard error.

    \b
    Examples:
      spaces keys create ci --scope submit --space demo --expires-in 30d > ci.key
      spaces keys create nightly --max-in-flight 2
      spaces keys create gpu-1 --agent --space demo

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import answers
    from services.commands.instants import BadInstant, duration_s

    if agent and scopes:
        raise click.UsageError("keys of agents have no scopes: give --agent or --scope, not both")
    if agent and max_in_flight is not None:
        raise click.UsageError("nothing is submitted with keys of agents: give --agent or --max-in-flight, not both")
    try:
        expires_in_s = None if expires_in is None else duration_s(expires_in)
    except BadInstant as error:
        raise click.UsageError(str(error)) from error
    made = client.create_key(
        name,
        kind="agent" if agent else "api",
        scopes=scopes or None,
        spaces=spaces or None,
        expires_in_s=expires_in_s,
        max_in_flight=max_in_flight,
        user=user,
    )
    return answers.made_key(made, as_json=as_json)


@keys.command(short_help="Revoke a key, for good.")
@click.argument("key", metavar="ID")
@connected
def revoke(client: "Client", key: str) -> int:
    """Revoke the key ID (see `spaces keys ls`): within a second every gateway refuses it. What was accepted goes on.

    \b
    Example:
      spaces keys revoke 5e1c0a7d9b3f2468

    It ends with status 0 when it is revoked, 1 when there is none (any more), 2 when that could not be asked for."""
    from services.commands.terminal import Screen

    client.revoke_key(key)
    Screen().text(f"{key} is revoked\n")
    return OK
