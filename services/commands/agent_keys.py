"""`spaces spaces agent-keys`."""

from typing import TYPE_CHECKING

import click

from services.commands.connection import connected

if TYPE_CHECKING:
    from spaces_client import Client


@click.group("agent-keys", short_help="List and make keys with which agents serve a space.")
def agent_keys() -> None:
    """Keys with which agents serve a space. `spaces keys revoke` ends one, and the connections of its agents."""


@agent_keys.command(short_help="List the keys of a space's agents.")
@click.argument("space")
@click.option("--all", "everybody", is_flag=True, help="Those of all users (for administrators).")
@click.option("--json", "as_json", is_flag=True, help="For programs: the keys as one line of JSON.")
@connected
def ls(client: "Client", space: str, everybody: bool, as_json: bool) -> int:
    """List your keys with which agents may serve SPACE, without their secrets.

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import answers, tables, text

    keys = client.keys(user="" if everybody else None)
    found = [key for key in keys if key.kind == "agent" and space in key.spaces]
    none = f"there is no such key: make one with `spaces spaces agent-keys create {text.line(space)} NAME`"
    return answers.listed(found, tables.keys, none, as_json=as_json)


@agent_keys.command(short_help="Make a key for a space's agents, and show its secret this once.")
@click.argument("space")
@click.argument("name")
@click.option("--expires-in", metavar="SPAN", help="For so long: 12h, 30d.  [default: as long as the key that you use]")
@click.option("--json", "as_json", is_flag=True, help="For programs: the key with its secret as one line of JSON.")
@connected
def create(client: "Client", space: str, name: str, expires_in: str | None, as_json: bool) -> int:
    """Make a key, called NAME, with which agents serve SPACE, which must be yours to manage.

    The secret goes to standard output, alone; nobody can show it again.

    \b
    Example: on the machine of the agent
      export WS_AGENT_KEY="$(spaces spaces agent-keys create digits gpu-1)"

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import answers
    from services.commands.instants import BadInstant, duration_s

    try:
        expires_in_s = None if expires_in is None else duration_s(expires_in)
    except BadInstant as error:
        raise click.UsageError(str(error)) from error
    made = client.create_key(name, kind="agent", spaces=[space], expires_in_s=expires_in_s)
    return answers.made_key(made, as_json=as_json)
