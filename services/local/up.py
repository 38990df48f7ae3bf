"""`spaces up`: one stack from start to stop, in the foreground."""

import asyncio
import dataclasses
import logging
import signal
import sys
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import msgspec

from services.local.console import Console
from services.local.errors import LocalError
from services.local.guard import guarded
from services.local.home import Home
from services.local.leftovers import end_leftovers
from services.local.log_rotation import LOOK_S, rotate
from services.local.messages import cautions, change_line, status_line, welcome
from services.local.stack import Options, Ready, Stack
from services.local.supervise import Exits, Supervisor
from services.runtime.errors import SpacesError
from services.runtime.loops import together
from services.runtime.outside import public_origin
from services.runtime.secret_files import with_secrets
from services.runtime.settings import read
from services.runtime.telemetry import JsonLines
from services.runtime.topology import RecoveryNeeded

log = logging.getLogger("services.local")
T = TypeVar("T")

PASSED_ON = (
    *("WS_LOG_LEVEL", "WS_STREAM_KEEP", "WS_STREAM_MAX_BYTES", "WS_OUTPUT_MAX_BYTES"),
    *("WS_FILES_MAX_BYTES", "WS_FILE_MAX_BYTES", "WS_FILES_KEY_MAX_BYTES", "WS_FILES_SPACE_MAX_BYTES"),
    *("WS_FILES_KEEP", "WS_SECRET_KEY", "WS_PUBLIC_URL", "WS_TRUSTED_PROXIES"),
    *("WS_SIGN_UP", "WS_ADMIN_EMAIL", "WS_ADMIN_PASSWORD"),
    *("WS_RATE_LIMIT", "WS_RATE_LIMIT_UNKNOWN"),
)
"""Settings that the services of an embedded stack take from the environment of `spaces up`."""
CHECK_S = 1.0
"""How often a stack is looked at whose status nobody reads."""
_LOOKED_AT_S = 1.0
"""How long `spaces status` and others who only look whether a stack runs may hold its home."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class CannotStart(LocalError):
    """The stack does not come up for a reason that the services gave."""


class Killed(LocalError):
    """A second signal came while everything was stopping in order."""

    exit_code = 1

    def __init__(self) -> None:
        super().__init__("ended at once: what still ran was killed (nothing that was accepted is lost)")


class Signals:
    """The first one asks to stop, the second one kills whatever still runs in the home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.stopping = asyncio.Event()
        self.killed = False
        hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # not under nohup
        for number in (*_SIGNALS, signal.SIGHUP) if hangs_up else _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._received)

    def _received(self) -> None:
        if self.stopping.is_set():
            self.killed = True
            end_leftovers(self._home)
        self.stopping.set()


def up(options: Options, environment: Mapping[str, str], *, json: bool, quiet: bool = False) -> None:
    """Run the stack until SIGINT, SIGTERM or SIGHUP; `quiet`: say nothing but what changes, and no secrets. Raises
    LocalError."""
    try:
        given = with_secrets(environment) | {"WS_PUBLIC_URL": options.public_url}
        public_url = public_origin(read(given).public_url)  # a typing error in a setting is told now
        options = dataclasses.replace(options, public_url=public_url)
        settings = {name: given[name] for name in PASSED_ON if name in given}
        home = Home(options.home.resolve())
        with home.lock(_LOOKED_AT_S):
            asyncio.run(_up(home, options, settings, json=json, quiet=quiet))
    except RecoveryNeeded as error:
        advice = f"put {options.home / 'nats'} back, or run `spaces recover --home {options.home}`"
        raise CannotStart(f"{error.problem}: {advice}") from error
    except SpacesError as error:
        raise CannotStart(str(error)) from error


async def _up(home: Home, options: Options, settings: Mapping[str, str], *, json: bool, quiet: bool) -> None:
    console = Console(sys.stderr if json else sys.stdout)
    signals = Signals(home)
    with Exits().watched() as exits:

        def on_change(supervisor: Supervisor, detail: str) -> None:
            level = logging.WARNING if supervisor.state == "died" else logging.INFO
            log.log(level, "%s %s%s", supervisor.name, supervisor.state, f": {detail}" if detail else "")
            console.line(change_line(supervisor.name, supervisor.state, detail))

        _log_to(home)
        for line in cautions(options.host, options.public_url, settings.get("WS_TRUSTED_PROXIES", "")):
            console.line(line)
        with guarded(home):  # before the ports are looked at: a killed stack's may still be taken
            stack = Stack(home, options, settings, exits, on_change)
            try:
                ready = await _unless(signals.stopping, stack.start())
                if ready is not None:
                    _announce(ready, home, console, json=json, quiet=quiet)
                    watched = _watch(stack, None if json or quiet else console)
                    await _unless(signals.stopping, together(watched, _rotate_logs(home)))
                console.end_status()
                console.line("Stopping; once more ends it at once.")
            finally:
                await stack.stop()
    if signals.killed:
        raise Killed
    console.line("Stopped.")


def _announce(ready: Ready, home: Home, console: Console, *, json: bool, quiet: bool) -> None:
    if json:
        print(msgspec.json.encode(ready).decode(), flush=True)
    elif quiet:
        console.line(f"Ready at {ready.public_url or '  '.join(ready.urls)}; keys are in {home.credentials_file}.")
    else:
        console.line(welcome(ready, home.path))


async def _watch(stack: Stack, console: Console | None) -> None:
    """Look after the stack, and show a console how it does, for ever."""
    if console is not None:
        await stack.count_requests()
    while True:
        stack.check()
        if console is not None:
            console.status(status_line(stack.observer.agents, stack.observer.events))
        await asyncio.sleep(CHECK_S if console is None else console.pause_s)


async def _rotate_logs(home: Home) -> None:
    """Keep the logs of the home small, for ever."""
    while True:
        try:
            for full in await asyncio.to_thread(rotate, home.path / "logs"):
                log.info("%s was full and has been put aside", full.name)
        except OSError as error:  # a full disk, say: the stack goes on
            log.warning("cannot put full logs aside: %s", error)
        await asyncio.sleep(LOOK_S)


async def _unless(stopping: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The work's result; None, and the work is cancelled, when a signal comes first."""
    task, signalled = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({task, signalled}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        signalled.cancel()
        await asyncio.gather(task, signalled, return_exceptions=True)


def _log_to(home: Home) -> None:
    """What this process itself logs goes to a file like that of the services, not to the terminal."""
    logging.raiseExceptions = False  # a full disk is no reason for stack traces on the terminal
    handler = logging.FileHandler(home.log_file("up"))
    handler.setFormatter(JsonLines("up"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # its errors come through our callback
