"""The dispatcher's process."""

from services.contracts.rpc import GetQueue, GetSpaceOverview, GetSpaceQueue
from services.dispatcher.service import Dispatcher
from services.runtime import rpc
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower
from services.runtime.live import Liveness
from services.runtime.process import Process, run


async def start(process: Process) -> None:
    """Wire one dispatcher."""
    nc = process.nc
    clock = ServerClock()
    await clock.measure(nc)
    liveness = Liveness(nc, "dispatcher", process.id)
    directory = DirectoryFollower(nc)
    dispatcher = Dispatcher(process, liveness, clock, directory)
    partitions = dispatcher.partitions
    liveness.on_change = partitions.look
    directory.on_event = dispatcher.on_directory_event
    await dispatcher.listen()
    await liveness.announce()
    place = rpc.Operation("ws.rpc.dispatcher.*.place", GetQueue, dispatcher.place, everyone=True)
    queue = rpc.Operation("ws.rpc.dispatcher.*.queue", GetSpaceQueue, dispatcher.queue, everyone=True)
    overview = rpc.Operation("ws.rpc.dispatcher.*.overview", GetSpaceOverview, dispatcher.overview, everyone=True)
    answers = await rpc.serve(
        nc,
        "dispatcher",
        "Queues, and where a request stands",
        {"place": place, "queue": queue, "overview": overview},
    )

    process.spawn("liveness", liveness.keep_announcing())
    process.spawn("live processes", liveness.watch())
    process.spawn("directory", directory.follow())
    process.spawn("clock", clock.keep_measuring(nc))
    process.spawn("leases", partitions.watch())
    process.spawn("partitions", partitions.keep())
    process.spawn("gateways", dispatcher.gateways.keep_asking())
    process.spawn("reports", dispatcher.gateways.keep_hearing())
    process.spawn("timers", dispatcher.tick())
    process.spawn("measures", dispatcher.keep_measuring())

    process.on_reconnect(dispatcher.gateways.raise_barrier)
    process.ready_when("partitions owned", lambda: partitions.everything_owned)
    process.ready_when("partitions caught up", lambda: set(dispatcher.states) >= partitions.owned)
    process.ready_when("directory", directory.caught_up.is_set)
    process.ready_when("no recovery needed", lambda: not liveness.halted)
    process.on_drain(dispatcher.drain)
    process.on_drain(liveness.withdraw)  # before the leases are free: nobody is to leave them to us
    process.on_drain(answers.stop)


def main() -> None:
    """Run it until it is told to stop."""
    run("dispatcher", start)


if __name__ == "__main__":
    main()
