"""`spaces nats-context`: lets the `nats` command into the NATS of a stack, without a password on any screen."""

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click

from services.commands.connection import NOBODY_ASKED, fail

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Access:
    """Where NATS is and who we are there. `servers` holds no password; several are separated by commas."""

    servers: str
    user: str
    password: str


@click.command("nats-context", short_help="Let the `nats` command look at the events.")
@click.argument("name", default="spaces")
@click.option(
    "--home", type=click.Path(path_type=Path), metavar="DIR",
    help="The home of a `spaces up` that runs  [default: WS_HOME, else .spaces]",
)  # fmt: skip
@click.option(
    "--user", type=click.Choice(["observer", "operator"]), default="observer", show_default=True,
    help="observer only looks; operator also commands the registry.",
)  # fmt: skip
def nats_context(name: str, home: Path | None, user: str) -> None:
    """Make the context NAME (spaces) of the `nats` command, so that it finds the NATS of a stack and is let in.

    It is a file that only you can read, below $XDG_CONFIG_HOME or ~/.config. Nothing of the stack changes, and no password
    is shown. Do it again when the stack has other ports. For a stack of your own making, WS_NATS_URL is NATS with the user
    and the password that the context is to have.

    It ends with status 0 when the context is there, 2 when it could not be made.

    \b
    Example:
      spaces nats-context
      nats --context spaces sub 'ws.evt.>'"""
    from services.local.errors import LocalError
    from services.runtime.errors import SpacesError
    from services.runtime.secret_files import secret

    logging.disable()  # what goes wrong is told in one line
    if _NAME.fullmatch(name) is None:
        raise click.UsageError("NAME has letters, digits, '-' and '_' only")
    try:
        if home is None and secret(os.environ, "WS_NATS_URL") is None:
            home = Path(os.environ.get("WS_HOME", ".spaces"))
        access = access_at(_nats_url(home, user, os.environ))
        path = contexts(os.environ) / f"{name}.json"
        _write(path, access)
    except (LocalError, SpacesError) as error:
        raise fail(str(error), NOBODY_ASKED) from None
    except OSError as error:
        raise fail(f"the context cannot be written: {error}", NOBODY_ASKED) from None
    print(f"{path}: `{access.user}` at {access.servers}")
    print(f"nats context select {name}   # or with each command: nats --context {name} …")


def access_at(url: str) -> Access:
    """What a NATS URL says, several separated by commas: user and password are those of the first."""
    parts = [urlsplit(each.strip()) for each in url.split(",")]
    servers = ",".join(f"{part.scheme}://{part.netloc.rpartition('@')[2]}" for part in parts)
    return Access(servers, unquote(parts[0].username or ""), unquote(parts[0].password or ""))


def contexts(environment: Mapping[str, str]) -> Path:
    """Where the `nats` command keeps its contexts."""
    base = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME") or Path.home()) / ".config"
    return Path(base) / "nats" / "context"


def _write(path: Path, access: Access) -> None:
    from services.local.home import write_json

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Answers come under a prefix of the user's own: nobody else may listen there.
    values = {"description": "WebSocket Spaces", "url": access.servers, "inbox_prefix": f"_INBOX_{access.user}"}
    write_json(path, values | {"user": access.user, "password": access.password})


def _nats_url(home: Path | None, user: str, environment: Mapping[str, str]) -> str:
    from services.local.errors import NotRunning
    from services.local.home import Home
    from services.local.servers import running_nats_url
    from services.runtime.settings import read

    if home is None:
        return read(environment).nats_url
    if not home.is_dir():
        raise NotRunning(home)
    return running_nats_url(Home(home.resolve()), user)
