"""A recorder that asks nobody whether it is the one: as one that has lost the lock and has not noticed yet."""

from services.contracts import subjects
from services.history.database import create_pool
from services.history.recorder import Recorder
from services.runtime.process import Process, run


async def start(process: Process) -> None:
    """Record the requests."""
    pool = await create_pool(process.settings.database_url)
    process.spawn("recorder", Recorder(process.nc, pool, subjects.REQUESTS).run())


if __name__ == "__main__":
    run("history", start)
