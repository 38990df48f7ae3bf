"""`spaces status`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands.connection import FAILED, OK, Place, located

if TYPE_CHECKING:
    from spaces_client import Client, SpaceHealth, SpaceQueue

_AT_ONCE = 8
"""So many spaces are asked about at a time."""


def command(machine: "Callable[[Path], str]") -> click.Command:
    """The command; `machine` says how the stack in a home on this machine is."""

    @click.command(short_help="Who am I, is it well, and what goes on: on one screen.")
    @click.option("--json", "as_json", is_flag=True, help="For programs: all of it as one line of JSON.")
    @located
    def status(found: Place, as_json: bool) -> int:
        """Show on one screen which gateway you use, and as whom; whether it is well; what requests came to in the last hour;
        and of each space that you may see its health, its agents, and what waits and runs in it. On the machine of a
        `spaces up`, found by its home, also its processes, memory, disk and last backup.

        \b
        Examples:
          spaces status
          watch -n 5 spaces status
          spaces status --json | jq -r '.spaces[] | select(.health.status != "ok") | .health.space'

        It ends with status 0 when the gateway is ready, 1 when it is not or has refused, 2 when it could not be asked. For
        what to do then: `spaces doctor`."""
        return _show(found, machine(Path(found.source).parent) if found.from_home else "", as_json)

    return status


def _show(found: Place, machine: str, as_json: bool) -> int:
    from services.commands import status_text, text
    from services.commands.checks import Trouble
    from services.commands.probing import Probe
    from services.commands.terminal import Screen
    from spaces_client import Client, Unreachable

    with Probe(found.url, found.key) as probe:
        ready = probe.ask("/readyz")
    if isinstance(ready, Trouble):
        raise Unreachable(f"cannot reach {found.url}: {ready.text}")
    with Client(found.url, found.key) as client:
        seen = status_text.Status(
            url=found.url,
            source=found.source,
            ready=ready.status == 200,
            user=client.me(),
            stats=client.stats(),
            agents=client.agents(),
            spaces=_spaces(client),
            machine=machine,
        )
    Screen().text(f"{text.json(status_text.json(seen)) if as_json else status_text.lines(seen)}\n")
    return OK if seen.ready else FAILED


def _spaces(client: "Client") -> "list[tuple[SpaceHealth, SpaceQueue]]":
    """Health and queue of every space, without those that are deleted meanwhile."""
    from spaces_client import ProblemError

    def look(space: str) -> "tuple[SpaceHealth, SpaceQueue] | None":
        try:
            return client.space_health(space), client.space_queue(space)
        except ProblemError as error:
            if error.code == "not_found":
                return None
            raise

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [seen for seen in pool.map(look, [each.id for each in client.spaces()]) if seen is not None]
