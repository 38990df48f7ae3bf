"""`spaces agents`."""

from typing import TYPE_CHECKING

import click

from services.commands.connection import OK, connected

if TYPE_CHECKING:
    from spaces_client import Client


@click.group(short_help="Look at agents, let them end, disconnect them.")
def agents() -> None:
    """Agents that are connected: one's own, to an administrator all."""


@agents.command(short_help="List the agents that are connected.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the agents as one line of JSON.")
@connected
def ls(client: "Client", as_json: bool) -> int:
    """List the agents that are connected, and how busy they are.

    \b
    Examples:
      spaces agents ls
      spaces agents ls --json | jq -r '.results[] | select(.state == "ready") | .id'

    It ends with status 0, 1 when it was refused, 2 when it could not be asked for."""
    from services.commands import answers, tables

    found = client.agents()
    return answers.listed(found, tables.agents, "no agent is connected", as_json=as_json)


@agents.command(short_help="Let an agent finish what it does, and end.")
@click.argument("agent", metavar="ID")
@connected
def drain(client: "Client", agent: str) -> int:
    """Tell the agent ID (OWNER/NAME, see `spaces agents ls`) to end as on SIGTERM: it takes no more work, finishes what
    runs, and leaves. What started it may start it again.

    \b
    Example:
      spaces agents drain 7ba684f146c94457/gpu-1

    It ends with status 0 when the agent was told, 1 when there is none, 2 when that could not be asked for."""
    from services.commands.terminal import Screen

    told = client.drain_agent(_identity(agent))
    Screen().text(f"{told.id} is {told.state}\n")
    return OK


@agents.command(short_help="Close an agent's connection; it comes back.")
@click.argument("agent", metavar="ID")
@connected
def disconnect(client: "Client", agent: str) -> int:
    """Close the connection of the agent ID (OWNER/NAME, see `spaces agents ls`), when it is stuck. The agent makes another
    by itself, and goes on with what it runs. To have it end, use `spaces agents drain`; to keep it away, revoke its key.

    \b
    Example:
      spaces agents disconnect 7ba684f146c94457/gpu-1

    It ends with status 0 when that was done, 1 when there is none, 2 when that could not be asked for."""
    from services.commands.terminal import Screen

    told = client.disconnect_agent(_identity(agent))
    Screen().text(f"{told.id} is disconnected\n")
    return OK


def _identity(agent: str) -> str:
    if "/" not in agent:
        raise click.UsageError(f"{agent!r} is no agent's ID: it is OWNER/NAME, as `spaces agents ls` shows it")
    return agent
