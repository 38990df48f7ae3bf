"""Users who submit all the time, at all gateways, and remember what was accepted."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx

from tests.support.stack import Stack, spaces
from tests.support.world import Event, recorded, until

USERS = 4


class Load:
    """What was submitted by `loading`. A request that is refused, or not answered, is submitted again under its key."""

    def __init__(self, stack: Stack, key: str, spaces: list[str], hold_s: float, pause_s: float) -> None:
        self._stack, self._key, self._spaces = stack, key, spaces
        self._hold_s, self._pause_s = hold_s, pause_s
        self._numbers = itertools.count()
        self.enough = asyncio.Event()
        self.accepted: dict[str, str] = {}
        """Space by request id."""
        self.refused = 0
        """Answers that were no."""
        self.slowest_s = 0.0
        """The longest that a submission waited for its answer."""

    async def user(self, number: int) -> None:
        """Submit until it is enough."""
        urls = self._stack.ready.urls
        async with httpx.AsyncClient(timeout=30.0, headers={"Authorization": f"Bearer {self._key}"}) as http:
            while not self.enough.is_set():
                n = next(self._numbers)
                await self._submit(http, urls[(n + number) % len(urls)], self._spaces[n % len(self._spaces)], n)
                await asyncio.sleep(self._pause_s)

    async def more(self, count: int) -> None:
        """Wait until so many more have been accepted."""
        wanted = len(self.accepted) + count

        async def enough() -> bool:
            return len(self.accepted) >= wanted

        await until(enough, f"{count} more requests are accepted")

    async def all_succeeded(self, deadline_s: float = 60.0) -> dict[str, list[Event]]:
        """Wait until the log has an outcome of everything that was accepted: one, and a success; then that log and read
        table are whole and agree. The chains."""
        chains = await recorded(self._stack, set(self.accepted), deadline_s)
        outcomes = {"succeeded", "failed", "canceled", "expired"}
        wrong = {rid for rid, chain in chains.items() if [e.type for e in chain if e.type in outcomes] != ["succeeded"]}
        assert not wrong, f"not one success: {wrong}"
        verified = await asyncio.to_thread(spaces, "log", "verify", "--home", str(self._stack.home))
        assert verified.returncode == 0, verified.stdout + verified.stderr
        return chains

    async def _submit(self, http: httpx.AsyncClient, url: str, space: str, n: int) -> None:
        body: dict[str, Any] = {"input": {"n": n, "hold_s": self._hold_s}}
        headers = {"Idempotency-Key": f"load-{n}"}
        began = time.monotonic()
        while not self.enough.is_set():
            with contextlib.suppress(httpx.TransportError):
                response = await http.post(f"{url}/v1/spaces/{space}/requests", json=body, headers=headers)
                if response.is_success:
                    self.accepted[response.json()["id"]] = space
                    self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                    return
                assert response.status_code == 503, f"{response.status_code} {response.text}"
                self.refused += 1
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def loading(
    stack: Stack, key: str = "", spaces: list[str] | None = None, *, hold_s: float = 0.01, pause_s: float = 0.05
) -> AsyncIterator[Load]:
    """Users submit while the block runs."""
    load = Load(stack, key or stack.ready.api_key, spaces or [stack.ready.space], hold_s, pause_s)
    users = [asyncio.create_task(load.user(number)) for number in range(USERS)]
    try:
        yield load
        load.enough.set()
        await asyncio.gather(*users)
    finally:
        for user in users:
            user.cancel()
        await asyncio.gather(*users, return_exceptions=True)
