"""Which gateway, with which key: from the options, the environment, the home of a stack on this machine, or a `spaces
login`. And what went wrong, in one line."""

import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from services.commands import logins

if TYPE_CHECKING:
    from spaces_client import ClientError

OK, FAILED, NOBODY_ASKED, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses. FAILED: the request has not succeeded, or the gateway refused. NOBODY_ASKED: wrong usage, no gateway that
answers, no valid key."""
_UNAUTHENTICATED, _SERVER_ERROR = 401, 500
HERE, CREDENTIALS = Path(".spaces"), "credentials.json"
"""The home of a `spaces up` in this directory, and the file in a home that holds address and key."""
_NOWHERE = (
    "no gateway is known: set WS_URL and WS_API_KEY, sign in with `spaces login`, or start one on this machine with"
    " `spaces up`; it is found by itself in the directory where it was started, elsewhere by --home"
)


class NoPlace(Exception):
    """It is not known which gateway to talk to, or with which key; the text says what to do."""


class Place(NamedTuple):
    """A gateway and a key for it; `source` is where the key was found."""

    url: str
    key: str
    source: str
    from_home: bool = False


_OPTIONS = [
    click.option("--url", metavar="URL", help="The gateway, like https://spaces.example.com  [env var: WS_URL]"),
    click.option(
        "--key-file", type=click.Path(path_type=Path), metavar="FILE",
        help="A file that holds the API key (wsk_…)  [env var: WS_API_KEY_FILE, or WS_API_KEY, the key itself]",
    ),
    click.option(
        "--home", type=click.Path(path_type=Path), metavar="DIR",
        help="Instead of both: the home of a `spaces up` on this machine  "
        "[default: WS_HOME, else .spaces, else `spaces login`]",
    ),
]  # fmt: skip


def connected(command: Callable[..., int]) -> Callable[..., None]:
    """Makes a command of a function that is given a Client and returns the exit status: it has the options that say where to
    connect, and tells in one line what went wrong."""

    @functools.wraps(command)
    def with_client(found: Place, **arguments: Any) -> int:
        from spaces_client import Client

        with Client(found.url, found.key) as client:
            return command(client, **arguments)

    return located(with_client)


def located(command: Callable[..., int]) -> Callable[..., None]:
    """As `connected`, of a function that is given the Place and connects by itself."""

    @functools.wraps(command)
    def run(url: str | None, key_file: Path | None, home: Path | None, **arguments: Any) -> None:
        try:
            raise SystemExit(_run(command, place(url, key_file, home), arguments))
        except NoPlace as error:
            raise fail(str(error), NOBODY_ASKED) from None
        except KeyboardInterrupt:
            _end_line()
            raise fail("interrupted; what was accepted goes on", INTERRUPTED) from None

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def _run(command: Callable[..., int], found: Place, arguments: dict[str, Any]) -> int:
    from spaces_client import ClientError

    try:
        return command(found, **arguments)
    except ClientError as error:
        raise fail(*_told(error, found)) from None


def place(url: str | None, key_file: Path | None, home: Path | None) -> Place:
    """Where to connect. A key is sent to the gateway that it was given with, and to no other. Raises NoPlace."""
    if home is None:
        url = url or os.environ.get("WS_URL")
        key, source = (_key_of_environment(), "WS_API_KEY") if key_file is None else (_key_in(key_file), str(key_file))
        if url and key:
            return Place(url, key, source)
        if url:
            return _logged_in_at(url)
        if key:
            raise NoPlace(f"{source} holds a key, but there is no gateway: set WS_URL, or give --url")
    elif url is not None or key_file is not None:
        raise click.UsageError("give --home, or --url and --key-file, not both")
    if home is None and not os.environ.get("WS_HOME") and not (HERE / CREDENTIALS).exists():
        return _logged_in()
    return _place_of(home or Path(os.environ.get("WS_HOME") or HERE), asked=home is not None)


def fail(message: str, status: int) -> SystemExit:
    """Say it in one line on standard error; what is returned is to be raised."""
    from services.commands import text

    print(f"spaces: {text.line(message)}", file=sys.stderr)
    return SystemExit(status)


def _end_line() -> None:
    """Erase the mark that a terminal shows of a Ctrl-C."""
    from services.commands.terminal import Screen

    Screen().end_status()


def _key_of_environment() -> str | None:
    from services.runtime.secret_files import SettingsError, secret

    try:
        return secret(os.environ, "WS_API_KEY")
    except SettingsError as error:
        raise NoPlace(str(error)) from error


def _key_in(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NoPlace(f"the key file {file} cannot be read: {_reason(error)}") from error


def _place_of(home: Path, *, asked: bool) -> Place:
    file = home / CREDENTIALS
    try:
        credentials = json.loads(file.read_text(encoding="utf-8"))
        return Place(str(credentials["url"]), str(credentials["api_key"]), str(file), from_home=True)
    except FileNotFoundError as error:
        if asked or os.environ.get("WS_HOME"):
            raise NoPlace(f"there is no {file}: start a stack there with `spaces up --home {home}`") from error
        raise NoPlace(_NOWHERE) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoPlace(f"{file} cannot be read: {_reason(error)}") from error


def _logged_in() -> Place:
    try:
        login = logins.read()
    except logins.Unreadable as error:
        raise NoPlace(str(error)) from error
    if login is None:
        raise NoPlace(_NOWHERE)
    return Place(login.url, login.key, "`spaces login`")


def _logged_in_at(url: str) -> Place:
    """The key of a login at this very gateway."""
    try:
        login = logins.read()
    except logins.Unreadable as error:
        raise NoPlace(str(error)) from error
    if login is None or login.url.rstrip("/") != url.strip().rstrip("/"):
        raise NoPlace(f"there is no key for {url}: set WS_API_KEY, give --key-file, or `spaces login` there")
    return Place(login.url, login.key, "`spaces login`")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "it does not hold what it should"


def _told(error: "ClientError", found: Place) -> tuple[str, int]:
    """What to say of an error, and the exit status."""
    from spaces_client import DamagedFile, ProblemError, Unreachable

    if isinstance(error, ProblemError):
        if error.status == _UNAUTHENTICATED:
            return f"{error.detail} (the key is from {found.source})", NOBODY_ASKED
        logged = error.status >= _SERVER_ERROR and error.request_id
        return f"{error}" + (f" (in the gateway's log: {error.request_id})" if logged else ""), FAILED
    if isinstance(error, Unreachable) and found.from_home:
        return f"{error}: is `spaces up` running?", NOBODY_ASKED
    return str(error), FAILED if isinstance(error, DamagedFile) else NOBODY_ASKED
