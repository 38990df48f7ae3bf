"""Where `spaces login` keeps address and key: one file of the user's, which nobody else may read."""

import contextlib
import os
import tempfile
from pathlib import Path

import click
import msgspec

_FILE = "login.json"


class Unreadable(Exception):
    """The file is there, and cannot be used; the text is one line that says what to do."""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway, a key for it, and the e-mail address of its user. `made_key` is the key's id if the login made it."""

    url: str
    key: str
    user: str = ""
    made_key: str = ""


def file() -> Path:
    """The file, which need not be there: below XDG_CONFIG_HOME or ~/.config, or where macOS and Windows have such files."""
    return Path(click.get_app_dir("websocket-spaces")) / _FILE


def read() -> Login | None:
    """The login that is kept, if any. Raises Unreadable."""
    try:
        return msgspec.json.decode(file().read_bytes(), type=Login)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"{file()} cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Unreadable(f"{file()} does not hold what it should: `spaces login` writes it anew") from error


def write(login: Login) -> None:
    """Keep it instead of another one. Raises OSError."""
    directory = file().parent
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=directory)  # for its owner alone, from the beginning
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(msgspec.json.encode(login))
            opened.flush()
            os.fsync(opened.fileno())
        Path(name).replace(file())
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def remove() -> None:
    """Keep none."""
    file().unlink(missing_ok=True)
