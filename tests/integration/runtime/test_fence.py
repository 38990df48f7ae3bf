"""A fence: who comes through, and what is stored behind it."""

import dataclasses

import pytest
from nats.aio.client import Client

from services.contracts import subjects
from services.runtime.append import Record, Superseded, Undecided, append
from services.runtime.fence import create_fenced, put_up_fence, take_down_fence
from services.runtime.jetstream import get, stream_info
from services.runtime.topology import EPOCH, Declaration, delete, streams
from tests.support.bus import Bus
from tests.support.chains import record

FIRST = 5_000_000_000


@pytest.fixture
async def recovery(bus: Bus) -> Client:
    return await bus.connect("recovery")


@pytest.fixture
def requests(bus: Bus) -> Declaration:
    (declaration,) = [declared for declared in streams(bus.servers.settings) if declared.name == subjects.REQUESTS]
    return declaration


def through(record: Record) -> Record:
    return dataclasses.replace(record, subject=subjects.behind_fence(record.stream, record.subject))


async def make_anew(recovery: Client, declaration: Declaration) -> None:
    await delete(recovery, declaration.name)
    await create_fenced(recovery, declaration, 7, FIRST)


async def test_behind_it_a_chain_grows_as_ever_under_its_own_subjects(recovery: Client, requests: Declaration) -> None:
    await make_anew(recovery, requests)
    first = record()
    assert await append(recovery, through(first)) == FIRST
    assert await append(recovery, through(first)) == FIRST, "repeated"
    with pytest.raises(Superseded):
        await append(recovery, through(record(subjects.parse_request_event(first.subject).rid)))
    stored = await get(recovery, first.stream, seq=FIRST)
    assert stored is not None
    assert (stored.subject, stored.data) == (first.subject, first.data)
    assert (await stream_info(recovery, first.stream)).config.metadata[EPOCH] == "7"


async def test_nobody_else_comes_through_before_it_is_down(bus: Bus, recovery: Client, requests: Declaration) -> None:
    gateway = await bus.connect("gateway")
    await make_anew(recovery, requests)
    with pytest.raises(Undecided):
        await append(gateway, record(), 0.3)
    await take_down_fence(recovery, requests)
    assert await append(gateway, record()) == FIRST
    with pytest.raises(Undecided):
        await append(recovery, through(record()), 0.3)
    assert (await stream_info(recovery, subjects.REQUESTS)).config.metadata[EPOCH] == "7"


async def test_an_existing_stream_is_fenced_with_all_that_it_holds(
    bus: Bus, recovery: Client, requests: Declaration
) -> None:
    gateway = await bus.connect("gateway")
    before = record()
    await append(gateway, before)
    await put_up_fence(recovery, requests)
    with pytest.raises(Undecided):
        await append(gateway, record(), 0.3)
    assert await append(recovery, through(record())) == 2
    assert await get(recovery, subjects.REQUESTS, last=before.chain) is not None
    await take_down_fence(recovery, requests)
    assert await append(gateway, record()) == 3
