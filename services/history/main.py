"""The history service: records every event in PostgreSQL, trims the stream, and answers queries."""

import asyncio

from services.contracts import subjects
from services.history.collector import Collector
from services.history.database import create_pool
from services.history.erasing import Eraser
from services.history.leader import Leadership
from services.history.queries import Queries
from services.history.recorder import FILTERS, Recorder
from services.history.retention import Retention
from services.history.standing import Standing
from services.history.trim import Trimmer
from services.runtime.clock import ServerClock
from services.runtime.live import Liveness
from services.runtime.process import Process, run
from services.runtime.rpc import serve
from services.runtime.settings import SettingsError


async def start(process: Process) -> None:
    """Wire this process by hand."""
    settings, nc = process.settings, process.nc
    if not settings.database_url:
        raise SettingsError("WS_DATABASE_URL is needed")
    pool = await create_pool(settings.database_url)
    leadership = Leadership(settings.database_url)
    recorders = {stream: Recorder(nc, pool, stream) for stream in FILTERS}

    def halted() -> bool:
        return recorders[subjects.REQUESTS].halted

    trimmer = Trimmer(nc, pool, ServerClock(), settings.stream_keep, halted)
    eraser = Eraser(nc, pool, ServerClock(), halted)
    retention = Retention(nc, pool, ServerClock(), halted)
    collector = Collector(nc, pool, ServerClock(), halted, settings.files_keep)
    liveness = Liveness(nc, "history", process.id)

    async def answer() -> None:
        await leadership.migrated.wait()
        operations = Queries(pool).operations() | Standing(nc, pool).operations()
        answers = await serve(nc, "history", "The event log: chains, lists, open requests, positions", operations)
        process.on_drain(answers.stop)
        await asyncio.Event().wait()

    async def finish() -> None:
        for recorder in recorders.values():
            await recorder.finish()

    work = [*(recorder.run for recorder in recorders.values()), trimmer.run, eraser.run, retention.run, collector.run]
    process.spawn("leadership", leadership.run(work))
    process.spawn("answers", answer())
    process.spawn("liveness", liveness.keep_announcing())
    process.ready_when("postgresql", lambda: leadership.migrated.is_set() and leadership.reachable)
    process.on_drain(finish)
    process.on_drain(liveness.withdraw)


def main() -> None:
    """Run it until told to stop."""
    run("history", start)


if __name__ == "__main__":
    main()
