"""`spaces spaces create` and `edit`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from services.commands.connection import connected

if TYPE_CHECKING:
    from spaces_client import Client, Space

_FEATURES = ["prompt", "audio", "video", "file"]
_AT_ONCE = click.IntRange(0, 1_000_000)
_FOREVER = "forever"
_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
_SETTINGS = [
    click.option("--title", metavar="TEXT", help="For people."),
    click.option("--connections", type=click.Choice(["one", "many"]), help="How many agents may be connected."),
    click.option(
        "--start-timeout", metavar="SPAN", help="A request that has not started by then expires: 90s, 30m, 12h."
    ),
    click.option("--execution-timeout", metavar="SPAN", help="A handler that takes longer has failed."),
    click.option("--max-attempts", type=click.IntRange(1, 20), metavar="N", help="How often a request may be tried."),
    click.option(
        "--on-no-agent", type=click.Choice(["queue", "reject"]),
        help="While no agent is connected, let submissions wait, or refuse them.",
    ),
    click.option(
        "--queue-limit", type=click.IntRange(0, 1_000_000), metavar="N",
        help="So many requests may wait; others are refused. 0: any number.",
    ),
    click.option(
        "--max-in-flight", type=_AT_ONCE, metavar="N", help="So many requests run at once; others wait. 0: any number.",
    ),
    click.option(
        "--max-in-flight-per-user", type=_AT_ONCE, metavar="N",
        help="So many requests of each user run at once. 0: any number.",
    ),
    click.option(
        "--retention", metavar="SPAN", help="So long after its end a request's data are kept: 12h, 30d, or forever.",
    ),
    click.option(
        "--visibility", type=click.Choice(["everyone", "private"]),
        help="For everyone with a key, or for its members: see `spaces spaces members`.",
    ),
    click.option(
        "--feature", "features", type=click.Choice(_FEATURES), multiple=True,
        help="Inputs have one of these; may be given several times.",
    ),
    click.option(
        "--input-schema", type=_FILE, metavar="FILE",
        help="A JSON Schema (2020-12) of inputs, in place of features. -: standard input.",
    ),
    click.option("--example", "example_input", type=_FILE, metavar="FILE", help="An input that fits, as JSON."),
    click.option("--any-input", is_flag=True, help="Any object is an input: no features, no schema, no example."),
    click.option("--json", "as_json", is_flag=True, help="For programs: the space as one line of JSON."),
]  # fmt: skip


def _settings(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


@click.command(short_help="Make a space.")
@click.argument("space")
@click.option("--owner", metavar="ID", help="Whose it is (for administrators).  [default: yours]")
@_settings
@connected
def create(client: "Client", space: str, owner: str | None, as_json: bool, **given: Any) -> int:
    """Make a space, called SPACE: 1 to 48 lower-case letters, digits and hyphens. It has this name for good. To repeat it
    does no harm. The key that you use must be for all spaces.

    \b
    Examples:
      spaces spaces create digits --title "Handwritten digits" --queue-limit 1000
      spaces spaces create chat --feature prompt --visibility private --max-attempts 3
      spaces spaces create typed --input-schema schema.json --example example.json

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    settings = _chosen(given) | ({} if owner is None else {"owner": owner})
    return _told(client.create_space(space, **settings), as_json=as_json)


@click.command(short_help="Change settings of a space.")
@click.argument("space")
@_settings
@connected
def edit(client: "Client", space: str, as_json: bool, **given: Any) -> int:
    """Change settings of SPACE: those that you give; the others stay. They are for requests and connections that come
    later; but limits of what runs at once are for all that waits, and --retention is for all that has ended: a shorter one
    has older data erased, for good.

    \b
    Examples:
      spaces spaces edit demo --execution-timeout 10m --max-attempts 3
      spaces spaces edit demo --any-input

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    settings = _chosen(given)
    if not settings:
        raise click.UsageError("say what to change: see `spaces spaces edit --help`")
    return _told(client.edit_space(space, **settings), as_json=as_json)


def _chosen(given: dict[str, Any]) -> dict[str, Any]:
    """The settings that are given, as the API has them."""
    from services.commands.instants import BadInstant, duration_s

    chosen = {name: given[name] for name in _PLAIN if given[name] is not None}
    chosen |= {name: given[name] or None for name in _LIMITS if given[name] is not None}
    try:
        for name in ("start_timeout", "execution_timeout"):
            if given[name] is not None:
                chosen[f"{name}_s"] = duration_s(given[name])
        if given["retention"] is not None:
            chosen["retention_s"] = None if given["retention"] == _FOREVER else duration_s(given["retention"])
    except BadInstant as error:
        raise click.UsageError(str(error)) from error
    inputs: dict[str, Any] = {"features": list(given["features"])} if given["features"] else {}
    inputs |= {name: _object(given[name]) for name in ("input_schema", "example_input") if given[name] is not None}
    if given["any_input"] and inputs:
        raise click.UsageError("give --any-input, or what inputs must be, not both")
    return chosen | ({"features": [], "input_schema": {}, "example_input": {}} if given["any_input"] else inputs)


_PLAIN = ("title", "connections", "max_attempts", "on_no_agent", "queue_limit", "visibility")
_LIMITS = ("max_in_flight", "max_in_flight_per_user")


def _object(file: Path) -> Any:
    """The JSON object in a file, as it stands."""
    from services.commands.inputs import BadInput, from_json

    with click.open_file(str(file), "rb") as opened:
        data: bytes = opened.read()
    try:
        return from_json(data)
    except BadInput as error:
        raise click.UsageError(f"{file} holds no JSON object: {error}") from error


def _told(space: "Space", *, as_json: bool) -> int:
    from services.commands import answers, space_tables

    return answers.one(space, space_tables.space, as_json=as_json)
