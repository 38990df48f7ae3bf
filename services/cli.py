"""The command `spaces`."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from services.admin_command import admin
from services.backup.commands import backup, restore
from services.commands import doctor, status
from services.commands.agents import agents
from services.commands.audit import audit
from services.commands.completion import completion
from services.commands.connection import fail
from services.commands.erasing import erase
from services.commands.files import files
from services.commands.keys import keys
from services.commands.lists import ls
from services.commands.monitoring import connections, stats, warnings
from services.commands.requests import cancel, requests, retry, submit
from services.commands.signing_in import login, logout
from services.commands.spaces import spaces
from services.commands.users import users
from services.nats_context_command import nats_context

if TYPE_CHECKING:
    from services.commands.checks import Finding
    from services.log_commands import Work


def _machine(home: Path) -> "Iterator[Finding]":
    """What there is to say of a stack on this machine."""
    from services.local.machine import findings

    logging.disable()  # what goes wrong is a finding
    yield from findings(home)


def _machine_line(home: Path) -> str:
    from services.local.machine import line

    logging.disable()
    return line(home)


_HOME = click.Path(file_okay=True, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="websocket-spaces", prog_name="spaces")
def main() -> None:
    """WebSocket Spaces: inference requests for machines that nobody can reach.

    \b
    Everything on this machine, until Ctrl-C:
      spaces up
    In another terminal: a request, and what happens to it:
      spaces submit demo prompt=hello --follow
      spaces requests ls --status failed
      spaces agents ls
    A gateway elsewhere: sign in once, then look at it; and when something does not work:
      spaces login --url https://spaces.example.com
      spaces status
      spaces doctor
    Is what PostgreSQL holds complete and right? And is there a copy of all of it?
      spaces log verify
      spaces backup spaces.backup"""


for _command in (
    submit,
    requests,
    cancel,
    retry,
    agents,
    connections,
    stats,
    warnings,
    spaces,
    files,
    keys,
    users,
    audit,
    login,
    logout,
    status.command(_machine_line),
    doctor.command(_machine),
    completion,
):
    main.add_command(_command)
main.add_command(admin)
main.add_command(backup)
main.add_command(restore)
main.add_command(nats_context)
requests.add_command(ls)
requests.add_command(erase)


@main.command()
@click.option(
    "--home", type=_HOME, default=".spaces", envvar="WS_HOME", show_default=True, show_envvar=True, metavar="DIR",
    help="Where data, keys and logs are kept. One stack at a time.",
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(0, 65535), default=5001, show_default=True, metavar="N",
    help="The first gateway's HTTP port; further gateways take the next free ones. 0: any free port.",
)  # fmt: skip
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDR",
    help="The address on which the gateways listen. 0.0.0.0: every one, so that agents and users elsewhere reach them.",
)  # fmt: skip
@click.option(
    "--public-url", default="", envvar="WS_PUBLIC_URL", show_envvar=True, metavar="URL",
    help="Where people and agents elsewhere find this, like https://spaces.example.com: that of a proxy with TLS before it.",
)  # fmt: skip
@click.option("--gateways", type=click.IntRange(1, 16), default=1, show_default=True, metavar="N", help="How many gateways.")
@click.option(
    "--dispatchers", type=click.IntRange(1, 16), default=1, show_default=True, metavar="N", help="How many dispatchers."
)
@click.option(
    "--registries", type=click.IntRange(1, 16), default=1, show_default=True, metavar="N", help="How many registries."
)
@click.option(
    "--histories", type=click.IntRange(1, 16), default=1, show_default=True, metavar="N", help="How many histories."
)
@click.option("--no-demo", is_flag=True, help="Without the demo agent, which answers every request with its own input.")
@click.option(
    "--nats-servers", type=click.Choice(["1", "3"]), default=None, metavar="1|3",
    help="How many NATS servers: three go on without one of them. A home keeps the number it began with.  [default: 1]",
)  # fmt: skip
@click.option(
    "--nats-sync", type=click.Choice(["always", "default"]), default="always", show_default=True,
    help="When NATS's writes reach the disk. default: every two minutes, so that a loss of power loses requests; faster.",
)  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True,
    help="For programs: once ready, one line of JSON with URLs, keys and process ids, and nothing else on standard output.",
)  # fmt: skip
@click.option(
    "--quiet", is_flag=True,
    help="For service managers: say only what changes, without keys, and no status.",
)  # fmt: skip
def up(
    home: Path, no_demo: bool, nats_servers: str | None, nats_sync: str, as_json: bool, quiet: bool, **options: Any
) -> None:
    """Run the whole stack on this machine, in the foreground.

    It starts nats-server, PostgreSQL, histories, registries, dispatchers, gateways and a demo agent, starts again what
    dies, and stops everything on Ctrl-C. Of several of a kind the others go on when one dies. A fresh home gets an
    administrator, the space `demo` and its keys: they are in credentials.json there. The next start goes on where this
    one ended. It ends with status 2 when it cannot start.

    \b
    Try it:
      spaces up
    In another terminal, in the same directory:
      spaces submit demo prompt=hello --follow
    For people and agents elsewhere, behind nginx or Caddy:
      WS_TRUSTED_PROXIES=127.0.0.1 spaces up --public-url https://spaces.example.com"""
    from services.local import errors, stack
    from services.local import up as running

    sync = "always" if nats_sync == "always" else "2m"
    servers = None if nats_servers is None else int(nats_servers)
    asked = stack.Options(home, demo=not no_demo, nats_servers=servers, nats_sync=sync, **options)
    try:
        running.up(asked, os.environ, json=as_json, quiet=quiet)
    except errors.LocalError as error:
        raise fail(str(error), error.exit_code) from None


@main.command(short_help="Make PostgreSQL's schema, NATS's streams and buckets.")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
    help="How long to try again while PostgreSQL or NATS does not let us in  [default: not at all]",
)  # fmt: skip
def provision(wait_s: float) -> None:
    """Bring about what the services expect: PostgreSQL's schema, NATS's streams and buckets.

    For a stack of your own making, before its services start, and again after every upgrade; to repeat it does no harm.
    WS_NATS_URL is NATS with the user `provisioner`, WS_DATABASE_URL PostgreSQL with the database's owner.

    \b
    Example:
      export WS_NATS_URL=nats://provisioner:secret@nats:4222
      export WS_DATABASE_URL=postgresql://history:secret@postgres/spaces
      spaces provision"""
    from services.provision import provision_all
    from services.runtime.errors import SpacesError
    from services.runtime.settings import read

    logging.disable()  # what goes wrong is told in one line
    try:
        settings = read(os.environ)
        if not settings.database_url:
            raise fail("set WS_DATABASE_URL, and WS_NATS_URL for the user `provisioner`", 2)
        made = asyncio.run(provision_all(settings, wait_s))
    except SpacesError as error:
        raise fail(str(error), 1) from None
    print("\n".join(f"made {name}" for name in made) or "nothing to do")


@main.command(short_help="Bring a stack back whose NATS has lost its data.")
@click.option(
    "--home", type=_HOME, metavar="DIR",
    help="The home of a `spaces up`, which may be up or down  [default: WS_HOME, else .spaces]",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the result as one line of JSON.")
def recover(home: Path | None, yes: bool, as_json: bool) -> None:
    """Bring a stack back whose NATS has lost its data, or holds others than the log.

    What PostgreSQL has recorded begins anew in NATS: users, spaces and keys, open requests (they are queued again, and
    agents that still run them are told to stop), idempotency keys. It first shows what it will do, and asks. Until it is
    done nothing is admitted or assigned; should it be interrupted, run it again.

    For a stack of your own making, WS_NATS_URL is NATS with the user `recovery`, WS_DATABASE_URL PostgreSQL with the
    database's owner. Its services may run meanwhile.

    It ends with status 0 when everything is restored, or nothing was lost; 1 when some requests could not be; 2 when
    nothing was done, or not to the end.

    \b
    Example:
      spaces recover --home .spaces --yes"""
    from services.local.errors import LocalError
    from services.recover_command import run
    from services.runtime.errors import SpacesError
    from services.runtime.secret_files import secret

    logging.disable()  # what goes wrong is told in one line
    try:
        if home is None and secret(os.environ, "WS_DATABASE_URL") is None:
            home = Path(os.environ.get("WS_HOME", ".spaces"))
        status = run(home, os.environ, yes=yes, as_json=as_json)
    except (LocalError, SpacesError) as error:
        raise fail(str(error), 2) from None
    raise SystemExit(status)


@main.group("log", short_help="Check the event log, or rebuild from it what is shown.")
def log_group() -> None:
    """The event log in PostgreSQL, of which everything that is shown is a fold."""


_DATABASE_OPTIONS = [
    click.option(
        "--home", type=_HOME, metavar="DIR",
        help="The home of a `spaces up`, which may be up or down  [default: WS_HOME, else .spaces]",
    ),
    click.option(
        "--database-url", metavar="URL", help="The database of a stack of your own making  [env var: WS_DATABASE_URL]"
    ),
    click.option("--json", "as_json", is_flag=True, help="For programs: the result as one line of JSON."),
]  # fmt: skip


def _database_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_DATABASE_OPTIONS):
        command = option(command)
    return command


@log_group.command(short_help="Check that log and read table are whole and agree.")
@_database_options
def verify(home: Path | None, database_url: str | None, as_json: bool) -> None:
    """Check that the log is whole, and that what is shown is what the log says.

    It changes nothing. It ends with status 0 when all is well, 1 when something is wrong, 2 when it cannot look."""
    from services.history.verify import verify

    _on_the_log(verify, home, database_url, as_json)


@log_group.command()
@_database_options
def rebuild(home: Path | None, database_url: str | None, as_json: bool) -> None:
    """Make what is shown again from the log.

    The stack may be up meanwhile. It ends with status 0 when all chains fold, 1 when some do not, 2 when nothing was
    done."""
    from services.history.rebuild import rebuild

    _on_the_log(rebuild, home, database_url, as_json)


def _on_the_log(work: "Work", home: Path | None, database_url: str | None, as_json: bool) -> None:
    from services.local.errors import LocalError
    from services.log_commands import run
    from services.runtime.errors import SpacesError
    from services.runtime.secret_files import secret

    if home is not None and database_url is not None:
        raise click.UsageError("give --home or --database-url, not both")
    try:
        if home is None and database_url is None:
            database_url = secret(os.environ, "WS_DATABASE_URL")
            home = Path(os.environ.get("WS_HOME", ".spaces"))
        clean = run(work, home, database_url, as_json=as_json)
    except (LocalError, SpacesError) as error:
        raise fail(str(error), 2) from None
    raise SystemExit(0 if clean else 1)


if __name__ == "__main__":
    main(prog_name="spaces")
