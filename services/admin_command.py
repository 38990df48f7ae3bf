"""`spaces admin create`: an administrator, made by who runs the platform."""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from services.commands.connection import NOBODY_ASKED, fail

_CONNECT_S = 10.0
_USER = "operator"


@click.group("admin", short_help="Make administrators.")
def admin() -> None:
    """Administrators, who manage users, keys and spaces of everybody."""


@admin.command()
@click.argument("email")
@click.option(
    "--home", type=click.Path(path_type=Path), metavar="DIR",
    help="The home of a `spaces up` that runs  [default: WS_HOME, else .spaces]",
)  # fmt: skip
@click.option("--password-stdin", is_flag=True, help="Take the first line of standard input for the password.")
def create(email: str, home: Path | None, password_stdin: bool) -> None:
    """Make an administrator of a stack that runs, who then signs in with EMAIL and a password.

    The password is asked for and not shown; it has 8 characters at least. For a stack of your own making, WS_NATS_URL is
    NATS with the user `operator`.

    It ends with status 0 when there is such an administrator, also when the same command had made them; 2 when nothing
    was done.

    \b
    Example:
      spaces admin create ada@example.org"""
    from services.local.errors import LocalError
    from services.runtime.errors import SpacesError
    from services.runtime.secret_files import secret

    logging.disable()  # what goes wrong is told in one line
    try:
        if home is None and secret(os.environ, "WS_NATS_URL") is None:
            home = Path(os.environ.get("WS_HOME", ".spaces"))
        password = _password(from_stdin=password_stdin)
        user = asyncio.run(_create(_nats_url(home, os.environ), email, password))
    except (LocalError, SpacesError) as error:
        raise fail(str(error), NOBODY_ASKED) from None
    print(f"{user}  {email}  admin")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise fail("there is no terminal to ask for the password: say --password-stdin", NOBODY_ASKED)
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _nats_url(home: Path | None, environment: Mapping[str, str]) -> str:
    """NATS of a home whose stack is up, or where the environment says. Raises LocalError, SpacesError."""
    from services.local.errors import NotRunning
    from services.local.home import Home
    from services.local.servers import running_nats_url
    from services.runtime.settings import read

    if home is None:
        return read(environment).nats_url
    if not home.is_dir():
        raise NotRunning(home)
    return running_nats_url(Home(home.resolve()), _USER)


async def _create(url: str, email: str, password: str) -> str:
    """The id of the administrator. Raises SpacesError."""
    from services.contracts.rpc import CreateUser, Recorded
    from services.contracts.subjects import registry_rpc
    from services.runtime import bus
    from services.runtime.errors import NatsUnavailable
    from services.runtime.rpc import call

    try:
        async with asyncio.timeout(_CONNECT_S):  # by itself the client tries for ever
            nc = await bus.connect(url, _USER, _USER)
    except Exception as error:  # anything from OSError to the client's own errors
        raise NatsUnavailable(f"NATS: {str(error) or 'it does not let us in'}") from error
    try:
        asked = CreateUser(email=email, password=password, role="admin", actor="system")
        return (await call(nc, registry_rpc("create_user"), asked, Recorded)).id
    except NatsUnavailable as error:
        raise NatsUnavailable(f"{error} (does the registry run? is `{_USER}` the user in WS_NATS_URL?)") from error
    finally:
        await nc.close()
