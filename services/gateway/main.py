"""A gateway: the HTTP API for users, the WebSocket for agents."""

import logging
import socket

from nats.aio.client import Client

from services.gateway.admission import Admission
from services.gateway.agents import Agents
from services.gateway.api import agents as api_agents
from services.gateway.api import audit, keys, lists, members, predecessor, queues, requests, sign_in, spaces, users
from services.gateway.api import watching as api_watching
from services.gateway.api.access import Access
from services.gateway.api.app import application
from services.gateway.api.cors import Cors
from services.gateway.api.events import Events
from services.gateway.api.front import Front
from services.gateway.api.request_log import router as request_log
from services.gateway.api.server import HttpServer, listen
from services.gateway.canceling import Cancellations
from services.gateway.erasing import Erasures
from services.gateway.file_service import GatewayFiles
from services.gateway.file_use import FileUses
from services.gateway.inventory import Inventory
from services.gateway.key_uses import KeyUses
from services.gateway.limits import Limits, limit
from services.gateway.purging import Purges
from services.gateway.queues import Queues
from services.gateway.reading import Reader
from services.gateway.sessions import Sessions
from services.gateway.stream_sizes import watch_sizes
from services.gateway.streams import Streams
from services.gateway.submissions import Submissions
from services.gateway.values import Values
from services.gateway.waiting import Waiting
from services.gateway.watching import Watching
from services.gateway.web import console_pages as pages
from services.gateway.web.assets import assets
from services.gateway.web.console import Console
from services.runtime.bus import connect
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower
from services.runtime.live import Liveness
from services.runtime.outside import networks, public_origin
from services.runtime.process import Process, run

log = logging.getLogger("services.gateway")


async def start(process: Process) -> None:
    """Start the gateway where the settings say. Raises PortInUse, NatsUnavailable."""
    settings = process.settings
    listener = listen(settings.host, settings.port)
    await start_on(process, listener, await connect(settings.nats_url, process.service, f"{process.id}-files"))


async def start_on(process: Process, listener: socket.socket, nc_of_files: Client) -> None:
    """Wire the gateway and start it on a listening socket. Files have a connection of their own: chunks would stand before
    events. Raises NatsUnavailable."""
    nc = process.nc
    liveness, directory = Liveness(nc, process.service, process.id), DirectoryFollower(nc)
    admission, reader = Admission(nc, liveness), Reader(nc)
    clock = ServerClock()
    sessions, uses, settings = Sessions(nc), KeyUses(nc, clock), process.settings
    files = GatewayFiles(nc_of_files, clock, settings, directory, FileUses(nc, reader).in_use)
    waiting, values = Waiting(nc, process.id, reader), Values(files.files)
    submissions = Submissions(nc, process.id, reader, waiting, Queues(nc), values)
    agents = Agents(process, directory, liveness, clock, uses.used, files.files)
    limits = Limits(limit(settings.rate_limit), limit(settings.rate_limit_unknown))
    access, streams = Access(directory, sessions, uses, limits, reader, clock), Streams(directory, sessions, clock)
    erasures, cancellations, inventory = Erasures(nc, reader), Cancellations(nc, reader), Inventory(nc, reader)
    events = Events(nc, access, admission, reader, streams, values)
    console = Console(access, assets())
    watching = Watching(nc, process.id, access, directory, liveness, reader)
    app = application(
        process.not_ready,
        agents.socket,
        requests.router(directory, access, admission, submissions, cancellations, erasures, reader, events, values),
        events.router(),
        request_log(access, reader),
        api_agents.router(nc, access),
        lists.router(nc, access, reader),
        keys.router(nc, access, directory, uses, clock),
        users.router(nc, access, directory),
        members.router(nc, access, directory),
        audit.router(nc, access, directory),
        spaces.router(nc, access, directory, inventory, Purges(inventory, cancellations)),
        queues.router(nc, access, directory, reader),
        api_watching.router(access, watching),
        predecessor.router(directory, access, admission, submissions, files.files, values),
        sign_in.router(nc, access, directory, sessions, clock, settings.sign_up),
        *files.routers(access, directory),
        *pages.routers(console, directory, uses, clock, settings.sign_up, settings.file_max_bytes, access, reader, watching),
        as_page=console.refusal,
        around=lambda app: Cors(app, directory),
    )
    front = Front(app, networks(settings.trusted_proxies), public_origin(settings.public_url))
    server = HttpServer(front, listener)

    process.on_drain(nc_of_files.close)
    process.ready_when("liveness", liveness.caught_up.is_set)
    process.ready_when("directory", lambda: directory.fresh)
    process.ready_when("waiting", waiting.caught_up.is_set)
    process.spawn("liveness watch", liveness.watch())
    await liveness.announce()
    process.on_drain(liveness.withdraw)
    process.spawn("liveness", liveness.keep_announcing())
    process.spawn("directory", directory.follow())
    process.ready_when("sessions", sessions.caught_up.is_set)
    process.spawn("sessions", sessions.watch())
    process.ready_when("files", files.records.caught_up.is_set)
    process.spawn("files", files.records.follow())
    process.spawn("uses of keys", uses.watch())
    process.spawn("recording uses of keys", uses.keep_recording())
    process.spawn("admission", admission.keep_looking())
    process.spawn("stream sizes", watch_sizes(nc))
    process.spawn("waiting", waiting.follow())
    process.spawn("streams", streams.keep_looking())
    await agents.start()

    async def stop_serving() -> None:
        waiting.release()
        await server.stop()

    process.on_drain(stop_serving)
    process.on_drain(agents.drain)
    process.on_drain(streams.end)
    process.on_drain(uses.record)
    process.spawn("http", server.serve())
    log.info("listening on %s port %d", *listener.getsockname()[:2])


def main() -> None:
    """`python -m services.gateway.main`."""
    run("gateway", start)


if __name__ == "__main__":
    main()
