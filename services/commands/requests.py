"""`spaces submit`, `requests`, `cancel` and `retry`."""

from typing import IO, TYPE_CHECKING

import click

from services.commands.connection import OK, connected

if TYPE_CHECKING:
    from spaces_client import Client, Request

MAX_WAIT_S = 60
_JSON = click.option("--json", "as_json", is_flag=True, help="For programs: the request as one line of JSON.")
_FOLLOW_JSON = click.option(
    "--json", "as_json", is_flag=True,
    help="For programs: the request as one line of JSON; with --follow every event, with `request`, `event`, `id`, `data`.",
)  # fmt: skip
_FOLLOW = click.option("--follow", is_flag=True, help="Show what happens, and the output as it comes, until it has ended.")


@click.command(short_help="Submit a request to a space.")
@click.argument("space")
@click.argument("values", nargs=-1, metavar="[KEY=TEXT | KEY:=JSON]... | -")
@click.option("--input", "input_json", metavar="JSON", help="The input, an object.")
@click.option("--input-file", type=click.File("rb"), metavar="FILE", help="A file that holds the input; -: standard input.")
@click.option(
    "--file", "files", multiple=True, metavar="KEY=PATH",
    help="Upload the file at PATH, and let KEY of the input refer to it; may be given several times.",
)  # fmt: skip
@click.option(
    "--wait", type=click.IntRange(1, MAX_WAIT_S), metavar="N",
    help="Wait up to N seconds for the output, and print it.",
)  # fmt: skip
@_FOLLOW
@_FOLLOW_JSON
@connected
def submit(
    client: "Client",
    space: str,
    values: tuple[str, ...],
    input_json: str | None,
    input_file: IO[bytes] | None,
    files: tuple[str, ...],
    wait: int | None,
    follow: bool,
    as_json: bool,
) -> int:
    """Submit a request to SPACE, and print its id.

    The input is an object: of KEY=TEXT and KEY:=JSON, or JSON as --input, --input-file or - (standard input). To it is added
    a reference to each --file, which is uploaded first; for files of the output see `spaces files get`. With --follow
    the output goes to standard output: text as it comes, any other value as a line of JSON. All else (why it waits, its
    progress, what its handler logs) goes to standard error; on a terminal progress is not shown within a line of text. When
    an attempt is lost, what came of the output is void, and it begins again: that is said, but what is written is written;
    programs see with --json where.

    Ctrl-C ends the command, not the request.

    \b
    Examples:
      spaces submit demo prompt=hello steps:=20 --wait 30
      spaces submit demo --input '{"prompt": "hello"}' --follow
      spaces submit demo prompt=subtitles --file video=clip.mp4 --wait 60
      generate-input | spaces submit demo - --follow > output.txt

    It ends with status 0 when the request was accepted, or with --wait and --follow when it has succeeded; 1 when it failed,
    was canceled, has expired, has not ended within --wait, or was refused; 2 when it could not be submitted; 130 on
    Ctrl-C."""
    if follow and wait is not None:
        raise click.UsageError("give --wait or --follow, not both")
    from services.commands.given_input import given_input, with_uploads

    input = with_uploads(client, space, given_input(values, input_json, input_file, bare=bool(files)), files)
    return _told(client, client.submit(space, input, wait_s=wait or 0), wait, follow=follow, as_json=as_json)


@click.group(short_help="Look at requests.")
def requests() -> None:
    """Requests: what they are, what has happened to them, what happens now."""


@requests.command(short_help="Show a request, or all that has happened to it.")
@click.argument("request", metavar="ID")
@click.option("--timeline", is_flag=True, help="Every event: when, who, what; and the frames of agents that were refused.")
@_JSON
@connected
def show(client: "Client", request: str, timeline: bool, as_json: bool) -> int:
    """Show the request ID as it is, whatever has become of it.

    \b
    Examples:
      spaces requests show 01a2044a439c7146874bdc2036ab095706
      spaces requests show 01a2044a439c7146874bdc2036ab095706 --timeline
      spaces requests show 01a2044a439c7146874bdc2036ab095706 --json | jq .output

    It ends with status 0, 1 when there is no such request, 2 when it could not be asked for."""
    from services.commands import following, showing, text
    from services.commands import timeline as timelines
    from services.commands.terminal import Screen

    if timeline:
        found = client.timeline(request)
        shown = timelines.json(found) if as_json else "\n".join(timelines.lines(found))
    else:
        one = client.read(request)
        shown = text.compact(one.raw) if as_json else showing.block(one)
    Screen().text(f"{shown}\n")
    if not timeline and not as_json:
        following.tell_files(Screen(), one)
    return OK


@requests.command("follow", short_help="Show what happens to a request until it has ended.")
@click.argument("request", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="For programs: every event as one line of JSON.")
@connected
def follow_request(client: "Client", request: str, as_json: bool) -> int:
    """Show what happens to the request ID until it has ended, from its beginning; see `spaces submit --follow`.

    \b
    Example:
      spaces requests follow 01a2044a439c7146874bdc2036ab095706

    It ends with status 0 when the request has succeeded; 1 when it failed, was canceled, has expired, or there is none; 2
    when it could not be asked for; 130 on Ctrl-C."""
    from services.commands.following import follow

    return follow(client, client.read(request).id, as_json=as_json)


@click.command(short_help="Cancel a request.")
@click.argument("request", metavar="ID")
@_JSON
@connected
def cancel(client: "Client", request: str, as_json: bool) -> int:
    """Cancel the request ID, whether it waits or runs.

    Nobody gets its outcome any more; its handler is told, and its slot is free when that has stopped. What is canceled
    already stays so.

    \b
    Example:
      spaces cancel 01a2044a439c7146874bdc2036ab095706

    It ends with status 0 when it is canceled, 1 when it has ended in another way or there is none, 2 when that could not be
    asked for."""
    from services.commands import text
    from services.commands.terminal import Screen

    canceled = client.cancel(request)
    Screen().text(f"{text.compact(canceled.raw) if as_json else f'{canceled.id} is {canceled.status}'}\n")
    return OK


@click.command(short_help="Submit the input of an ended request again.")
@click.argument("request", metavar="ID")
@_FOLLOW
@_FOLLOW_JSON
@connected
def retry(client: "Client", request: str, follow: bool, as_json: bool) -> int:
    """Submit the input of the request ID, which must have ended, again, and print the id of the new request.

    \b
    Example:
      spaces retry 01a2044a439c7146874bdc2036ab095706 --follow

    It ends as `spaces submit` does."""
    return _told(client, client.retry(request), None, follow=follow, as_json=as_json)


def _told(client: "Client", request: "Request", wait_s: int | None, *, follow: bool, as_json: bool) -> int:
    """Tell of a request that was just made, as was asked for; the exit status."""
    from services.commands import following, showing, text
    from services.commands.terminal import Screen

    screen = Screen()
    if follow:
        if not as_json:
            screen.note(f"request {request.id}")
        return following.follow(client, request.id, as_json=as_json)
    if as_json:
        screen.text(f"{text.compact(request.raw)}\n")
    elif wait_s is None:
        screen.text(f"{request.id}\n")
    elif request.done:
        if request.status == "succeeded":
            screen.result(request.output)
        screen.note(f"request {request.id} {showing.outcome(request)}")
        following.tell_files(screen, request)
    else:
        screen.note(f"request {request.id} goes on. To follow it:  {following.typed(f'requests follow {request.id}')}")
    return OK if wait_s is None else following.status_of(request)
