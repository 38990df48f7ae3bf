"""`spaces users`."""

import sys
from typing import TYPE_CHECKING

import click

from services.commands.connection import OK, connected

if TYPE_CHECKING:
    from spaces_client import Client, User

_JSON = click.option("--json", "as_json", is_flag=True, help="For programs: the user as one line of JSON.")


@click.group(short_help="List, make, disable and enable users, give them roles.")
def users() -> None:
    """Users: whose keys, spaces and requests they are. All but `me` is for administrators, with the scope `manage`."""


@users.command(short_help="List users.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the users as one line of JSON.")
@connected
def ls(client: "Client", as_json: bool) -> int:
    """List all users, by e-mail address.

    \b
    Example:
      spaces users ls --json | jq -r '.results[] | select(.disabled) | .email'

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import tables, text
    from services.commands.terminal import Screen

    found = client.users()
    as_text = text.json({"results": [user.raw for user in found]}) if as_json else tables.users(found)
    Screen().text(f"{as_text}\n")
    return OK


@users.command(short_help="Whose key do I use?")
@_JSON
@connected
def me(client: "Client", as_json: bool) -> int:
    """Show the user whose key you use.

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for, or the key is not good."""
    return _told(client.me(), as_json=as_json)


@users.command(short_help="Make a user.")
@click.argument("email")
@click.option("--admin", is_flag=True, help="An administrator.")
@click.option(
    "--password-stdin", is_flag=True, help="The password is the first line of standard input; else it is asked for."
)
@_JSON
@connected
def create(client: "Client", email: str, admin: bool, password_stdin: bool, as_json: bool) -> int:
    """Make a user with the address EMAIL. Give them a key with `spaces keys create --user`.

    \b
    Examples:
      spaces users create ada@example.org
      pass show ada | spaces users create ada@example.org --admin --password-stdin

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return _told(client.create_user(email, password, role="admin" if admin else "member"), as_json=as_json)


@users.command(short_help="Make a user an administrator, or a member.")
@click.argument("user", metavar="ID")
@click.argument("role", type=click.Choice(["admin", "member"]))
@_JSON
@connected
def role(client: "Client", user: str, role: str, as_json: bool) -> int:
    """Give the user ID (see `spaces users ls`) another ROLE. Within a second their keys and sessions may what it may, at
    every gateway. Nobody changes their own role, and the last administrator stays one.

    \b
    Example:
      spaces users role 7ba684f146c94457 admin

    It ends with status 0 when they have it, 1 when it was refused, 2 when it could not be asked for."""
    return _told(client.set_role(user, role), as_json=as_json)


@users.command(short_help="Refuse all keys of a user.")
@click.argument("user", metavar="ID")
@_JSON
@connected
def disable(client: "Client", user: str, as_json: bool) -> int:
    """Let all keys of the user ID (see `spaces users ls`) be refused until they are enabled again. What was accepted goes
    on.

    It ends with status 0 when they are disabled, 1 when it was refused, 2 when it could not be asked for."""
    return _told(client.disable_user(user), as_json=as_json)


@users.command(short_help="Let a user's keys be good again.")
@click.argument("user", metavar="ID")
@_JSON
@connected
def enable(client: "Client", user: str, as_json: bool) -> int:
    """Enable the user ID, who is disabled: their keys are good again, except those that expired or were revoked meanwhile.

    It ends with status 0 when they are enabled, 1 when it was refused, 2 when it could not be asked for."""
    return _told(client.enable_user(user), as_json=as_json)


def _told(user: "User", *, as_json: bool) -> int:
    from services.commands import answers, tables

    return answers.one(user, lambda shown: tables.users([shown]), as_json=as_json)
