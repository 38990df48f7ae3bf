"""`spaces spaces members`."""

from typing import TYPE_CHECKING

import click

from services.commands.connection import OK, connected

if TYPE_CHECKING:
    from spaces_client import Client

_ROLES = ["viewer", "submitter", "manager"]


@click.group(short_help="List, set and remove the members of a space.")
def members() -> None:
    """Members of a space. A viewer sees it, a submitter also submits to it, a manager also changes it and its members, and
    makes keys for its agents. A space that is not private is for everyone: there only managers make a difference."""


@members.command(short_help="List the members of a space.")
@click.argument("space")
@click.option("--json", "as_json", is_flag=True, help="For programs: the members as one line of JSON.")
@connected
def ls(client: "Client", space: str, as_json: bool) -> int:
    """List the members of SPACE, without its owner and administrators, who manage every space.

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import space_tables, text
    from services.commands.terminal import Screen

    found = client.members(space)
    if as_json:
        Screen().text(f"{text.json({'results': [each.raw for each in found]})}\n")
    elif found:
        Screen().text(f"{space_tables.members(found)}\n")
    else:
        Screen().note(f"{text.line(space)} has no members beside its owner")
    return OK


@members.command("set", short_help="Make a user a member, or give them another role.")
@click.argument("space")
@click.argument("user", metavar="USER_ID")
@click.argument("role", type=click.Choice(_ROLES))
@click.option("--json", "as_json", is_flag=True, help="For programs: the member as one line of JSON.")
@connected
def set_role(client: "Client", space: str, user: str, role: str, as_json: bool) -> int:
    """Make the user USER_ID (they see it by `spaces users me`) a member of SPACE, or give them another role.

    \b
    Example:
      spaces spaces members set demo 7ba684f146c94457 submitter

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import text
    from services.commands.terminal import Screen

    member = client.set_member(space, user, role)
    told = text.compact(member.raw) if as_json else f"{text.line(member.user)} is a {text.line(member.role)} of {space}"
    Screen().text(f"{told}\n")
    return OK


@members.command(short_help="Let a user be no member.")
@click.argument("space")
@click.argument("user", metavar="USER_ID")
@connected
def remove(client: "Client", space: str, user: str) -> int:
    """Let the user USER_ID be no member of SPACE. What they have submitted goes on, and they see it still. If it is
    private, their agents serve it no more.

    It ends with status 0 when they are none, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import text
    from services.commands.terminal import Screen

    client.remove_member(space, user)
    Screen().text(f"{text.line(user)} is no member of {text.line(space)}\n")
    return OK
