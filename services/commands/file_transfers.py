"""Uploads and downloads of a command: how far they are is told on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from services.commands.connection import NOBODY_ASKED, fail
from services.commands.file_showing import moving
from services.commands.terminal import Screen
from spaces_client import Client, File


def upload(
    client: Client,
    screen: Screen,
    space: str,
    source: str | BinaryIO,
    name: str | None = None,
    media_type: str | None = None,
) -> File:
    """Upload what is at a path, or comes in a stream. Raises ClientError, SystemExit."""
    shown = (source if isinstance(source, str) else name) or "standard input"
    with _local(screen, shown):
        return client.upload(space, source, name=name, media_type=media_type, progress=_progress(screen, Path(shown).name))


def download(client: Client, screen: Screen, file: str, target: str | BinaryIO) -> File:
    """Download a file to a path, or into a stream. Raises ClientError, SystemExit."""
    shown = target if isinstance(target, str) else "standard output"
    with _local(screen, shown):
        return client.download(file, target, progress=_progress(screen, Path(shown).name))


def _progress(screen: Screen, shown: str) -> Callable[[int, int], None] | None:
    if not screen.keeps_status:
        return None
    return lambda passed, whole: screen.status(moving(shown, passed, whole), passing=True)


@contextmanager
def _local(screen: Screen, shown: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        screen.end_status()
        raise fail(f"{shown}: {error.strerror or error}", NOBODY_ASKED) from None
    finally:
        screen.end_status()
