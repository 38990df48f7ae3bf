"""The registry's process: `python -m services.registry.main`."""

import asyncio

from services.contracts import subjects
from services.registry.attaching import Attaching
from services.registry.first_admin import make_first_admin
from services.registry.gateways import Gateways
from services.registry.janitor import Janitor
from services.registry.reporting import Reporting
from services.registry.service import DirectoryCommands, serve_registry
from services.registry.signing_in import SigningIn
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower
from services.runtime.live import Liveness
from services.runtime.process import Process, run


async def start(process: Process) -> None:
    """Wire the parts and answer once the directory is known."""
    nc = process.nc
    liveness, follower = Liveness(nc, "registry", process.id), DirectoryFollower(nc)
    gateways, clock = Gateways(nc, liveness), ServerClock(subjects.DIRECTORY)
    attaching = Attaching(nc, follower, gateways)
    janitor = Janitor(nc, attaching, gateways)
    reporting = Reporting(nc, liveness, gateways)
    process.spawn("directory", follower.follow())
    process.spawn("liveness", liveness.watch())
    process.spawn("gateways", gateways.keep_looking())
    process.spawn("connections", janitor.follow())
    process.spawn("reports", janitor.follow_reports())
    process.spawn("agents", reporting.follow())
    process.on_reconnect(reporting.listening)
    process.spawn("janitor", janitor.keep_sweeping())
    process.spawn("announcing", liveness.keep_announcing())
    process.on_drain(liveness.withdraw)
    serving = asyncio.Event()
    process.ready_when("directory", follower.caught_up.is_set)
    process.ready_when("serving", serving.is_set)
    await _first(follower.caught_up, process.stopping)
    await clock.measure(nc)
    process.spawn("clock", clock.keep_measuring(nc))
    commands = DirectoryCommands(nc, follower)
    await make_first_admin(process.settings, commands, follower)
    signing_in = SigningIn(nc, follower, commands, clock)
    service = await serve_registry(nc, commands, attaching, reporting, signing_in.operations())
    process.on_drain(service.stop)
    serving.set()


async def _first(*events: asyncio.Event) -> None:
    """Return when one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def main() -> None:
    """Run until told to stop."""
    run("registry", start)


if __name__ == "__main__":
    main()
