"""`spaces files`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands.connection import OK, connected

if TYPE_CHECKING:
    from spaces_client import Client

MOST = 10_000
_FILE = click.argument("file", metavar="ID|REFERENCE")
_JSON = click.option("--json", "as_json", is_flag=True, help="For programs: the file as one line of JSON.")


@click.group(short_help="Upload, download, list and delete files.")
def files() -> None:
    """Files: what is too large for an input or an output. A reference, /v1/files/ID, stands for one in both.

    \b
    Upload one with a submission, and fetch one that came of it:
      spaces submit demo --file video=clip.mp4 --wait 60
      spaces files get /v1/files/01a2044a439c7146874bdc2036ab095706.1.9f86d081 -o result.mp4"""


@files.command(short_help="Upload files.")
@click.argument("space")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--name", metavar="NAME", help="What the file is called.  [default: as in PATH]")
@click.option("--type", "media_type", metavar="TYPE", help="Its media type, like text/csv.  [default: what its bytes say]")
@click.option("--json", "as_json", is_flag=True, help="For programs: every file as one line of JSON.")
@connected
def put(
    client: "Client", space: str, paths: tuple[str, ...], name: str | None, media_type: str | None, as_json: bool
) -> int:
    """Upload the files at each PATH for SPACE, and print the reference of each. - is standard input.

    An upload that is cut goes on where it was.

    \b
    Examples:
      spaces files put demo clip.mp4
      spaces submit demo video="$(spaces files put demo clip.mp4)" --wait 60
      tar c . | spaces files put demo - --name all.tar

    It ends with status 0 when all are there; 1 when one was refused or damaged; 2 when one cannot be read, or nobody could
    be asked; 130 on Ctrl-C."""
    from services.commands import text
    from services.commands.file_transfers import upload
    from services.commands.terminal import Screen

    if name is not None and len(paths) > 1:
        raise click.UsageError("give --name with one PATH alone")
    screen = Screen()
    for path in paths:
        source = sys.stdin.buffer if path == "-" else path
        called = "" if path == "-" and name is None else name
        file = upload(client, screen, space, source, called, media_type)
        screen.text(f"{text.compact(file.raw) if as_json else file.reference}\n")
    return OK


@files.command(short_help="Download a file.")
@_FILE
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="Where to; - is standard output.  [default: here, under its id: FILE's name is not used]",
)
@_JSON
@connected
def get(client: "Client", file: str, output: str | None, as_json: bool) -> int:
    """Download a file, given by its id or by a reference, /v1/files/ID.

    It is at PATH when it is whole, and what was there before is replaced. A download that is cut goes on where it was; size
    and SHA-256 are compared. Its name is not used for a path: others have made it.

    \b
    Examples:
      spaces files get /v1/files/7ba684f146c94457.01a2044a439c7146874bdc2036ab0957 -o clip.mp4
      spaces files get 7ba684f146c94457.01a2044a439c7146874bdc2036ab0957 -o - | tar t

    It ends with status 0 when it is there; 1 when there is none, it is no longer kept, or it was damaged; 2 when it cannot
    be written, or nobody could be asked; 130 on Ctrl-C. What was written to standard output is void then."""
    from services.commands import text
    from services.commands.file_transfers import download
    from services.commands.terminal import Screen

    screen = Screen()
    if output == "-":
        if as_json:
            raise click.UsageError("give --json with a PATH: standard output has the file")
        if sys.stdout.isatty():
            raise click.UsageError("a file may hold what a terminal obeys: give -o PATH, or pipe it on")
        download(client, screen, file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return OK
    target = output or _own_name(file)
    found = download(client, screen, file, target)
    screen.text(f"{text.compact(found.raw) if as_json else target}\n")
    return OK


@files.command(short_help="List files, the newest first.")
@click.option("--space", metavar="SPACE", help="Only those of this space.")
@click.option("--user", metavar="USER", help="Only those of this user, by id or e-mail address (for administrators).")
@click.option("--limit", type=click.IntRange(1, MOST), default=20, show_default=True, metavar="N", help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the files as one line of JSON.")
@connected
def ls(client: "Client", space: str | None, user: str | None, limit: int, as_json: bool) -> int:
    """List files, the newest first: one's own, to an administrator all; those on their way included.

    \b
    Examples:
      spaces files ls --space demo
      spaces files ls --limit 1000 --json | jq -r '.results[] | select(.size > 1e9) | .id'

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import answers, file_showing

    found = list(client.files(space=space, user=user, limit=limit))
    return answers.listed(found, file_showing.table, "there is no such file", as_json=as_json)


@files.command(short_help="Show what is known of a file.")
@_FILE
@_JSON
@connected
def show(client: "Client", file: str, as_json: bool) -> int:
    """Show what is known of a file: its name, type, size, SHA-256, and until when it is kept.

    \b
    Example:
      spaces files show 7ba684f146c94457.01a2044a439c7146874bdc2036ab0957

    It ends with status 0, 1 when there is none or it is no longer kept, 2 when it could not be asked for."""
    from services.commands import answers, file_showing

    found = client.file(file)
    return answers.one(found, file_showing.block, as_json=as_json)


@files.command(short_help="Delete files.")
@click.argument("given", nargs=-1, required=True, metavar="ID|REFERENCE...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def rm(client: "Client", given: tuple[str, ...], yes: bool) -> int:
    """Delete files. This cannot be undone. One that a request needs which has not ended is refused.

    \b
    Example:
      spaces files rm 7ba684f146c94457.01a2044a439c7146874bdc2036ab0957 --yes

    It ends with status 0 when they are deleted; 1 when one is needed, there is none, or you have not said yes; 2 when that
    could not be asked for."""
    from services.commands import text
    from services.commands.terminal import Screen

    if not yes:
        click.confirm(f"Delete {text.line(', '.join(given), 200)} for good?", abort=True, err=True)
    screen = Screen()
    for file in given:
        client.delete_file(file)
        screen.text(f"{text.line(file)} is deleted\n")
    return OK


def _own_name(file: str) -> str:
    """The file's id, as a path in this directory."""
    from spaces_client.files import id_of, reference_to, references

    id = id_of(file)
    if not references(reference_to(id)) or Path(id).is_dir():
        raise click.UsageError("that is no id of a file: give -o PATH")
    return id
