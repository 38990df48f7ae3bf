"""`spaces login` and `spaces logout`."""

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.commands import logins
from services.commands.connection import CREDENTIALS, FAILED, HERE, NOBODY_ASKED, fail
from services.commands.logins import Login

if TYPE_CHECKING:
    from spaces_client import ClientError

_REFUSED = frozenset({401, 404})
"""Answers to the revocation of a key that is worth nothing any more."""


@click.command(short_help="Sign in at a gateway, and keep a key for it.")
@click.option("--url", metavar="URL", help="The gateway, like https://spaces.example.com  [env var: WS_URL; else asked for]")
@click.option("--email", metavar="ADDRESS", help="Whose password it is.  [default: asked for]")
@click.option(
    "--password-stdin", is_flag=True, help="The password is the first line of standard input; else it is asked for."
)
@click.option(
    "--key-file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Keep the key in this file, rather than sign in to make one. -: standard input.",
)  # fmt: skip
@click.option("--name", metavar="NAME", help="What the key is called.  [default: spaces at this machine's name]")
@click.option("--expires-in", metavar="SPAN", help="For how long the key is good: 12h, 30d.  [default: until you log out]")
def login(
    url: str | None,
    email: str | None,
    password_stdin: bool,
    key_file: Path | None,
    name: str | None,
    expires_in: str | None,
) -> None:
    """Sign in with e-mail address and password: it makes a key that may do all that you may, and keeps it in a file that
    only you can read, together with the address. All commands use it from then on. The password is kept nowhere.

    Options, WS_URL with WS_API_KEY, WS_HOME, and a `spaces up` in the same directory go before it.

    \b
    Examples:
      spaces login --url https://spaces.example.com
      pass show spaces | spaces login --url https://spaces.example.com --email ada@example.org --password-stdin
      spaces login --url https://spaces.example.com --key-file - < ci.key

    It ends with status 0, 1 when it was refused, 2 when the gateway could not be asked or the key cannot be kept."""
    from spaces_client import ClientError

    if key_file is not None and (email or password_stdin or name or expires_in):
        raise click.UsageError("with --key-file no key is made: leave out --email, --password-stdin, --name, --expires-in")
    expires_in_s = _seconds(expires_in)
    url = (url or os.environ.get("WS_URL") or str(click.prompt("Gateway", err=True))).strip()
    former = _former()
    try:
        if key_file is not None:
            new = _checked(url, key_file)
        else:
            email = email or str(click.prompt("E-mail", err=True))
            new = _made(url, email, _password(password_stdin), name or f"spaces at {platform.node()}", expires_in_s)
    except ClientError as error:
        raise fail(*_told(error)) from None
    try:
        logins.write(new)
    except OSError as error:
        _revoked(new)
        raise fail(f"{logins.file()} cannot be written: {error.strerror}", NOBODY_ASKED) from error
    if former is not None and former.key != new.key:
        _revoked(former)
    click.echo(f"logged in at {new.url} as {new.user}; the key is in {logins.file()}", err=True)
    for before in _before():
        click.echo(f"here {before} goes before it", err=True)


@click.command(short_help="Revoke the key of `spaces login`, and forget it.")
@click.option("--forget", is_flag=True, help="Forget it also when the gateway cannot be asked to revoke it.")
def logout(forget: bool) -> None:
    """Revoke the key that `spaces login` has made, and remove it from this machine. A key that was given with --key-file is
    removed here and goes on being good.

    It ends with status 0 when it is gone, 1 when nobody is logged in, 2 when it could not be revoked: then it stays,
    unless you say --forget."""
    try:
        login = logins.read()
    except logins.Unreadable as error:
        if not forget:
            raise fail(f"{error}; or forget it with `spaces logout --forget`", NOBODY_ASKED) from None
        login = None
        logins.remove()
    else:
        if login is None:
            raise fail("nobody is logged in", FAILED)
    if login is not None and (trouble := _revoked(login)) and not forget:
        raise fail(f"the key could not be revoked: {trouble}; forget it with `spaces logout --forget`", NOBODY_ASKED)
    logins.remove()
    click.echo("logged out" if login is None else f"logged out at {login.url}", err=True)


def _made(url: str, email: str, password: str, name: str, expires_in_s: float | None) -> Login:
    from spaces_client import sign_in

    made = sign_in(url, email, password, name=name, expires_in_s=expires_in_s)
    return Login(url=url, key=made.secret, user=email, made_key=made.id)


def _checked(url: str, key_file: Path) -> Login:
    from spaces_client import Client

    try:
        with click.open_file(str(key_file), encoding="utf-8") as opened:
            key = opened.readline().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise fail(f"the key file {key_file} cannot be read: {reason}", NOBODY_ASKED) from None  # the cause quotes it
    with Client(url, key) as client:
        return Login(url=url, key=key, user=client.me().email)


def _revoked(login: Login) -> str:
    """Make the key worthless if a login has made it; why that could not be, empty when it is so."""
    from spaces_client import Client, ClientError, ProblemError

    if not login.made_key:
        return ""
    try:
        with Client(login.url, login.key) as client:
            client.revoke_key(login.made_key)
    except ProblemError as error:
        return "" if error.status in _REFUSED else str(error)
    except ClientError as error:
        return str(error)
    return ""


def _former() -> Login | None:
    """What was kept before; what cannot be read is written over."""
    try:
        return logins.read()
    except logins.Unreadable:
        return None


def _before() -> list[str]:
    """What the commands use rather than the login, in this environment and directory."""
    named = [name for name in ("WS_API_KEY", "WS_API_KEY_FILE", "WS_HOME") if os.environ.get(name)]
    return named or ([str(HERE / CREDENTIALS)] if (HERE / CREDENTIALS).exists() else [])


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, err=True))


def _seconds(span: str | None) -> float | None:
    from services.commands.instants import BadInstant, duration_s

    try:
        return None if span is None else duration_s(span)
    except BadInstant as error:
        raise click.UsageError(str(error)) from error


def _told(error: "ClientError") -> tuple[str, int]:
    from spaces_client import ProblemError

    return (error.detail, FAILED) if isinstance(error, ProblemError) else (str(error), NOBODY_ASKED)
