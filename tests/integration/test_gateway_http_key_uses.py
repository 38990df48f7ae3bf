"""When keys were used last, with two gateways."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from services.contracts import subjects
from services.contracts.instants import nanoseconds
from services.gateway.key_uses import COALESCED_NS, KeyUses
from services.runtime.clock import ServerClock
from services.runtime.jetstream import ApiError
from services.runtime.kv import Bucket
from spaces_agent import frames
from tests.support.bus import Bus, running_bus, until
from tests.support.http_gateway import ADA, ADMIN, AGENT, BOB, Gateway, fill_directory, running_gateway, serve_registry_at


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    async with running_bus() as here:
        await fill_directory(here)
        await serve_registry_at(here)
        yield here


@pytest.fixture
async def gateway(bus: Bus) -> AsyncIterator[Gateway]:
    async with running_gateway(bus) as here:
        yield here


async def last_used(gateway: Gateway, key: str) -> int | None:
    listed = await gateway.call("GET", "/v1/keys?user=", key=ADMIN)
    [found] = [each["last_used_at"] for each in listed.json["results"] if each["id"] == key]
    return None if found is None else nanoseconds(found)


async def test_the_last_use_of_a_key_is_shown_at_every_gateway(gateway: Gateway, bus: Bus) -> None:
    before = time.time_ns()
    await gateway.call("GET", "/v1/users/me", key=ADA)
    async with running_gateway(bus) as other:

        async def shown() -> bool:
            return await last_used(other, ADA) is not None

        await until(shown, "the other gateway has heard of it")
        used = await last_used(other, ADA)
        assert used is not None
        assert before - 1_000_000_000 <= used <= time.time_ns() + 1_000_000_000
        assert await last_used(other, BOB) is None


async def test_uses_within_a_minute_are_written_once(gateway: Gateway, bus: Bus) -> None:
    bucket = Bucket(await bus.connect("gateway"), subjects.KEY_USES)

    async def revision(key: str) -> int:
        return (await bucket.get(key)).revision

    async def written() -> bool:
        return await revision(ADA) > 0

    await gateway.call("GET", "/v1/users/me", key=ADA)
    await until(written, "it is written")
    first = await revision(ADA)
    async with running_gateway(bus) as other:

        async def known() -> bool:
            return await last_used(other, ADA) is not None

        await until(known, "the other gateway knows of it")
        for each in (gateway, other):
            await each.call("GET", "/v1/users/me", key=ADA)
            await each.call("GET", "/v1/users/me", key=BOB)
    assert await revision(BOB) > first, "what a gateway is to write when it stops is written"
    assert await revision(ADA) == first
    assert COALESCED_NS == 60 * 10**9


async def test_an_agent_s_key_is_used_as_long_as_it_is_connected(gateway: Gateway) -> None:
    url = gateway.url.replace("http", "ws") + frames.CONNECT_PATH
    headers = {"Authorization": f"Bearer {AGENT}"}
    assert await last_used(gateway, AGENT) is None
    async with connect(url, additional_headers=headers, subprotocols=[Subprotocol(frames.SUBPROTOCOL)]) as socket:
        await socket.send(frames.encode(frames.Hello(agent_id="gpu", boot_id="b1", spaces=["demo"], slots=1)), text=True)
        await asyncio.wait_for(socket.recv(), 30)

        async def used() -> bool:
            return await last_used(gateway, AGENT) is not None

        await until(used, "its use is shown")


async def test_what_nats_refuses_to_store_is_written_later(bus: Bus) -> None:
    js, nc = (await bus.connect("provisioner")).jetstream(), await bus.connect("gateway")
    uses, bucket = KeyUses(nc, ServerClock()), Bucket(nc, subjects.KEY_USES)
    config = (await js.stream_info(f"KV_{subjects.KEY_USES}")).config
    await js.update_stream(config.evolve(max_msg_size=1))
    with pytest.raises(ApiError):
        await bucket.put(ADA, b"too long")
    uses.used(ADA)
    await uses.record()
    await js.update_stream(config)
    await uses.record()
    assert (await bucket.get(ADA)).revision > 0
