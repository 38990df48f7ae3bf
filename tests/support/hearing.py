"""When a question reaches whoever answers it."""

import nats.errors
from nats.aio.client import Client

from services.runtime import bus
from tests.support.servers import Servers
from tests.support.waiting import until

_SILENT_S = 2.0


async def heard(servers: Servers, subject: str, question: bytes = b"") -> None:
    """Return when questions on the subject reach somebody wherever they are asked: the other servers of a cluster hear of a
    subscription a moment later than its own. The one that is asked here, empty by default, must be harmless."""
    for server in [] if servers.cluster is None else servers.cluster.servers:
        nc = await bus.connect(server.url("gateway"), "gateway", "test-heard")

        async def reaches(nc: Client = nc) -> bool:
            try:
                await nc.request(subject, question, timeout=_SILENT_S)
            except nats.errors.NoRespondersError:
                return False
            except nats.errors.TimeoutError:
                pass  # somebody is there, and has no answer to that
            return True

        await until(reaches, f"{subject} is heard of at every server")
        await nc.close()
