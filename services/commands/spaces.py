"""`spaces spaces`: look at spaces, switch them, purge and delete them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from services.commands.agent_keys import agent_keys
from services.commands.connection import FAILED, OK, connected
from services.commands.members import members
from services.commands.space_settings import create, edit

if TYPE_CHECKING:
    from spaces_client import Client, Space

_SPACE = click.argument("space")
_JSON = click.option("--json", "as_json", is_flag=True, help="For programs: the answer as one line of JSON.")
_YES = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group(short_help="Make, change, watch and delete spaces.")
def spaces() -> None:
    """Spaces: named inference endpoints. Agents serve them, users submit to them.

    \b
    Make one, with a key for its agents, and see that it is served:
      spaces spaces create digits --title "Handwritten digits"
      spaces spaces agent-keys create digits gpu-1 > gpu-1.key
      spaces spaces health digits

    To change one takes a key with the scope `manage`, of its owner, one of its managers, or an administrator."""


for _command in (create, edit, members, agent_keys):
    spaces.add_command(_command)


@spaces.command(short_help="List spaces.")
@_JSON
@connected
def ls(client: "Client", as_json: bool) -> int:
    """List the spaces that you may see.

    \b
    Examples:
      spaces spaces ls
      spaces spaces ls --json | jq -r '.results[] | select(.paused) | .id'

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import answers, space_tables

    found = client.spaces()
    none = "there is no space that you may see: make one with `spaces spaces create NAME`"
    return answers.listed(found, space_tables.spaces, none, as_json=as_json)


@spaces.command(short_help="Show the settings of a space.")
@_SPACE
@_JSON
@connected
def show(client: "Client", space: str, as_json: bool) -> int:
    """Show the settings of SPACE, and what its inputs must be.

    It ends with status 0, 1 when there is none that you may see, 2 when it could not be asked for."""
    from services.commands import answers, space_tables

    shown = client.space(space)
    return answers.one(shown, space_tables.space, as_json=as_json)


@spaces.command(short_help="Is a space well?")
@_SPACE
@_JSON
@connected
def health(client: "Client", space: str, as_json: bool) -> int:
    """Tell how SPACE is: ok, degraded, no_agent, paused or disabled; and why.

    \b
    Example:
      spaces spaces health demo --json | jq -r '.reasons[]'

    It ends with status 0 when it is ok, 1 when it is not or there is none, 2 when it could not be asked for."""
    from services.commands import answers, space_tables

    shown = client.space_health(space)
    answers.one(shown, space_tables.health, as_json=as_json)
    return OK if shown.status == "ok" else FAILED


@spaces.command(short_help="What waits in a space, and who is next.")
@_SPACE
@_JSON
@connected
def queue(client: "Client", space: str, as_json: bool) -> int:
    """Show what waits and runs in SPACE, and which of your requests are next: to administrators all of them.

    It ends with status 0, 1 when there is none that you may see, 2 when it could not be asked for."""
    from services.commands import answers, space_tables

    shown = client.space_queue(space)
    return answers.one(shown, space_tables.queue, as_json=as_json)


@spaces.command(short_help="List the agents that serve a space.")
@_SPACE
@_JSON
@connected
def agents(client: "Client", space: str, as_json: bool) -> int:
    """List your agents that are connected and serve SPACE: to administrators all of them.

    It ends with status 0, 1 when there is no such space, 2 when it could not be asked for."""
    from services.commands import answers, tables, text

    found = client.space_agents(space)
    return answers.listed(found, tables.agents, f"no agent of yours serves {text.line(space)}", as_json=as_json)


def _switch(name: str, short: str, long: str, change: "Callable[[Client, str], Space]", done: str) -> None:
    """One of the commands that switch a space on or off."""

    @connected
    def switch(client: "Client", space: str, as_json: bool) -> int:
        from services.commands import answers

        return answers.one(change(client, space), lambda changed: f"{changed.id} {done}", as_json=as_json)

    told = f"{long}\n\n    It ends with status 0 when that is so, 1 when it was refused, 2 when it could not be asked for."
    spaces.command(name, short_help=short, help=told)(_SPACE(_JSON(switch)))


_switch(
    "enable",
    "Let a disabled space take submissions again.",
    "Let SPACE, which is disabled, take submissions again.",
    lambda client, space: client.enable_space(space),
    "is enabled",
)
_switch(
    "disable",
    "Let a space take no submissions.",
    "Let submissions to SPACE be refused until it is enabled. What it has accepted goes on.",
    lambda client, space: client.disable_space(space),
    "is disabled",
)
_switch(
    "pause",
    "Let a space's requests wait.",
    "Let the requests of SPACE wait until it is resumed, or their start timeouts have passed. Submissions are accepted, and "
    "what runs goes on.",
    lambda client, space: client.pause_space(space),
    "is paused",
)
_switch(
    "resume",
    "Let a paused space go on.",
    "Let the requests of SPACE, which is paused, be assigned again.",
    lambda client, space: client.resume_space(space),
    "goes on",
)


@spaces.command(short_help="Cancel everything that waits in a space.")
@_SPACE
@_YES
@_JSON
@connected
def purge(client: "Client", space: str, yes: bool, as_json: bool) -> int:
    """Cancel every request that waits in SPACE, whoever submitted it. What runs goes on, and what comes in meanwhile waits:
    disable it first if nothing is to come.

    \b
    Example:
      spaces spaces purge demo --yes

    It ends with status 0 when what waited is canceled, 1 when it was refused or you have not said yes, 2 when that could
    not be asked for."""
    from services.commands import text
    from services.commands.terminal import Screen

    if not yes:
        click.confirm(f"Cancel everything that waits in {text.line(space)}?", abort=True, err=True)
    screen, canceled, more = Screen(), 0, True
    while more:
        part = client.purge_queue(space)
        canceled, more = canceled + part.canceled, part.more
        if more:
            screen.note(f"{canceled} are canceled, others still wait")
    screen.text(f"{text.json({'canceled': canceled})}\n" if as_json else f"{canceled} are canceled\n")
    return OK


@spaces.command(short_help="Delete a space, for good.")
@_SPACE
@_YES
@connected
def delete(client: "Client", space: str, yes: bool) -> int:
    """Delete SPACE, for good: no other one ever gets its name. Its requests can still be read. None may be open: disable
    it, purge it, and let what runs come to its end.

    \b
    Example:
      spaces spaces disable digits && spaces spaces purge digits --yes && spaces spaces delete digits --yes

    It ends with status 0 when it is deleted, 1 when it was refused or you have not said yes, 2 when that could not be
    asked for."""
    from services.commands import text
    from services.commands.terminal import Screen

    if not yes:
        click.confirm(f"Delete the space {text.line(space)} for good?", abort=True, err=True)
    client.delete_space(space)
    Screen().text(f"{text.line(space)} is deleted\n")
    return OK
