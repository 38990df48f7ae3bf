"""`spaces spaces members`."""

from typing import TYPE_CHECKING

import click

from services.commands.connection import OK, connected

if TYPE_CHECKING:
    from spaces_client import Client
    from spaces_client.spaces import Member

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
    from services.commands import answers, space_tables, text

    found = client.members(space)
    return answers.listed(
        found, space_tables.members, f"{text.line(space)} has no members beside its owner", as_json=as_json
    )


@members.command("set", short_help="Make a user a member, or give them another role.")
@click.argument("space")
@click.argument("user", metavar="USER")
@click.argument("role", type=click.Choice(_ROLES))
@click.option("--json", "as_json", is_flag=True, help="For programs: the member as one line of JSON.")
@connected
def set_role(client: "Client", space: str, user: str, role: str, as_json: bool) -> int:
    """Make USER, an e-mail address or a user's id, a member of SPACE, or give them another role.

    \b
    Example:
      spaces spaces members set demo ada@example.org submitter

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import answers, text

    def shown(member: "Member") -> str:
        return f"{text.line(member.user)} is a {text.line(member.role)} of {space}"

    return answers.one(client.set_member(space, user, role), shown, as_json=as_json)


@members.command(short_help="Let a user be no member.")
@click.argument("space")
@click.argument("user", metavar="USER")
@connected
def remove(client: "Client", space: str, user: str) -> int:
    """Let USER, an e-mail address or a user's id, be no member of SPACE. What they have submitted goes on, and they see
    it still. If it is private, their agents serve it no more.

    It ends with status 0 when they are none, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import text
    from services.commands.terminal import Screen

    client.remove_member(space, user)
    Screen().text(f"{text.line(user)} is no member of {text.line(space)}\n")
    return OK
