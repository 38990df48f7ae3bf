"""`spaces requests erase`."""

from typing import TYPE_CHECKING

import click

from services.commands.connection import OK, connected

if TYPE_CHECKING:
    from spaces_client import Client


@click.command(short_help="Erase the data of a request.")
@click.argument("request", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the request as one line of JSON.")
@connected
def erase(client: "Client", request: str, yes: bool, as_json: bool) -> int:
    """Erase the data of the request ID, which must have ended: its input, output, metadata, logs, and what its handler said
    of a failure. This cannot be undone. What happened to it, and when, stays.

    A retry is a request of its own, with the same input: erase it as well.

    \b
    Example:
      spaces requests erase 01a2044a439c7146874bdc2036ab095706 --yes

    It ends with status 0 when it is erased, 1 when it has not ended, there is none, or you have not said yes; 2 when that
    could not be asked for."""
    from services.commands import text
    from services.commands.terminal import Screen

    if not yes:
        click.confirm(f"Erase the data of request {text.line(request)} for good?", abort=True, err=True)
    erased = client.erase(request)
    Screen().text(f"{text.compact(erased.raw) if as_json else f'{erased.id} is erased'}\n")
    return OK
