"""`spaces backup` and `spaces restore`."""

import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

if TYPE_CHECKING:
    from services.backup.archive import Progress

T = TypeVar("T")
DONE, NOT_ALL, NOTHING_DONE = 0, 1, 2
"""Exit statuses."""
_FILE = click.Path(path_type=Path)


@click.command(short_help="Write all that a stack on this machine cannot lose into one file.")
@click.argument("file", type=_FILE, metavar="FILE")
@click.option(
    "--home", type=_FILE, default=".spaces", envvar="WS_HOME", show_default=True, show_envvar=True, metavar="DIR",
    help="The home of the `spaces up`, which may be up or down.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the result as one line of JSON.")
def backup(file: Path, home: Path, force: bool, as_json: bool) -> None:
    """Write all that a `spaces up` cannot lose into one file, while it runs or while it is stopped: requests with their
    inputs and outputs, users, spaces and keys, uploaded files, and the passwords of its home. Whatever was accepted before
    the backup began is in it.

    FILE appears when it is complete. Only you can read it; it holds every secret of the stack, so keep it as you keep those.
    Live output and signed-in browsers are not in it. To look whether a file is whole: `spaces restore FILE --check`.

    \b
    Examples:
      spaces backup spaces.backup
      spaces backup /backups/spaces-$(date +%F).backup --home /srv/spaces

    It ends with status 0 when the backup is complete, else with 2, and then nothing is left of it."""
    from services.backup import making
    from services.backup.telling import made, made_values
    from services.local.home import Home

    target = file.absolute()
    done = _run(lambda progress: making.make(Home(home.resolve()), target, os.environ, progress, force=force))
    print(made_values(done) if as_json else made(done))
    raise SystemExit(DONE)


@click.command(short_help="Make a home of a backup, or look whether a backup is whole.")
@click.argument("file", type=_FILE, metavar="FILE")
@click.option("--home", type=_FILE, metavar="DIR", help="Where the stack is to be: a directory that is empty or not there.")
@click.option("--check", "only_check", is_flag=True, help="Only read the backup to its end, and say whether it is whole.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the result as one line of JSON.")
def restore(file: Path, home: Path | None, only_check: bool, as_json: bool) -> None:
    """Make a home of a backup that `spaces backup` has made; `spaces up` goes on with it. It has the same users, passwords,
    keys, spaces, requests and files. Requests that were open when the backup was made are queued again, and get exactly
    one outcome. What came in after the backup is not there.

    First the whole backup is read and checked; nothing is made of one that is not whole. Nor is anything left when the
    restore fails. Restore into the place of a stack that still runs elsewhere only to try it: both would run the same
    requests.

    \b
    Examples:
      spaces restore spaces.backup --check
      spaces restore spaces.backup --home /srv/spaces && spaces up --home /srv/spaces

    It ends with status 0 when everything is restored; 1 when it is, but for what it says; else with 2."""
    from services.backup import restoring
    from services.backup.telling import checked, checked_values, restored, restored_values
    from services.local.home import Home

    if (home is None) != only_check:
        raise click.UsageError("give --home DIR to restore into, or --check")
    if home is None:
        manifest = _run(lambda progress: restoring.check(file, progress))
        print(checked_values(manifest) if as_json else checked(manifest, file))
        raise SystemExit(DONE)
    target = Home(home.resolve())
    done = _run(lambda progress: restoring.restore(file, target, os.environ, progress))
    print(restored_values(done) if as_json else restored(done, home))
    raise SystemExit(DONE if done.clean else NOT_ALL)


def _run(work: "Callable[[Progress], T]") -> T:
    """Do it and show how far it is; what goes wrong is told in one line."""
    from services.backup.interrupting import interrupted_once
    from services.local.errors import LocalError
    from services.runtime.errors import SpacesError

    logging.disable()
    interrupted_once()
    show, end = _shown()
    try:
        done = work(show)
    except (LocalError, SpacesError, OSError) as error:
        end()
        _fail(str(error))
    except KeyboardInterrupt:
        end()
        _fail("interrupted: nothing was left behind")
    end()
    return done


def _shown() -> "tuple[Progress, Callable[[], None]]":
    """What shows progress, but not all the time, and what ends it."""
    from services.local.console import Console

    console, shown = Console(sys.stderr), time.monotonic()

    def show(what: str) -> None:
        nonlocal shown
        if time.monotonic() - shown >= console.pause_s:
            shown = time.monotonic()
            console.status(what)

    return show, console.end_status


def _fail(message: str) -> NoReturn:
    print(f"spaces: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(NOTHING_DONE)
