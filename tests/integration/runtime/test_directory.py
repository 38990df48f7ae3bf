"""The directory in the memory of a process: how long it is trusted."""

import asyncio
import os
import signal
import time

import pytest

from services.runtime import directory
from services.runtime.directory import DirectoryFollower
from tests.support.bus import running_bus, until

STALE_S = 8.0
"""More than a busy machine may be late with the heartbeats of a tail."""


async def test_it_is_trusted_for_a_while_without_nats_however_long_nobody_has_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "STALE_S", STALE_S)
    async with running_bus() as bus:
        nc = await bus.connect("gateway")
        follower = DirectoryFollower(nc)
        assert not follower.fresh
        bus.spawn(follower.follow())
        await asyncio.wait_for(follower.caught_up.wait(), 30)
        began = time.monotonic()
        await until(lambda: time.monotonic() - began > 1.2 * STALE_S, "nobody has asked for long")
        server = bus.servers.server
        os.kill(server.pid, signal.SIGKILL)
        try:
            await until(lambda: not nc.is_connected, "the server is gone")
            assert follower.fresh
            await until(lambda: not follower.fresh, "it is not trusted any more")
        finally:
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
        await until(lambda: follower.fresh, "it is trusted again")
