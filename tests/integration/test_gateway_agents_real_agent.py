"""The real agent command at a real gateway: both halves of the protocol against each other."""

import asyncio
import signal
import sys
from pathlib import Path

from services.contracts.events import Succeeded
from spaces_agent import frames
from tests.support.bus import until
from tests.support.gateway_agents import running_platform
from tests.support.gateway_sockets import SPACE, running_gateway
from tests.support.servers import Servers


async def test_the_agent_command_serves_requests_and_leaves_in_order(tmp_path: Path) -> None:
    with Servers(postgres=False, sync_interval="2m") as servers:
        async with running_platform(servers) as platform, running_gateway(platform.bus, platform.secret) as gateway:
            url = gateway.url.removesuffix(frames.CONNECT_PATH).replace("ws://", "http://")
            said = ["run", "--url", url, "--key", platform.secret, "--space", SPACE, "--engine", "echo", "--slots", "4"]
            named = ["--name", "real", "--state-dir", str(tmp_path)]
            command = await asyncio.create_subprocess_exec(sys.executable, "-m", "spaces_agent", *said, *named)
            try:
                await until(lambda: len(platform.listed) == 1, "it is listed")
                (conn,) = platform.listed
                for _ in range(5):
                    assigned, _ = await platform.assign(gateway.id, conn, platform.agent("real"))
                    succeeded = (await platform.chain(assigned.rid, "succeeded"))[-1]
                    assert isinstance(succeeded, Succeeded)
                    assert bytes(succeeded.output) == b'{"x":1}'
                await until(lambda: platform.held(conn) == [], "all slots are free")
                command.send_signal(signal.SIGTERM)
                assert await command.wait() == 0
                await until(lambda: conn not in platform.listed, "it is delisted")
            finally:
                if command.returncode is None:
                    command.kill()
                    await command.wait()
