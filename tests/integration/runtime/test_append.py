"""Append: whatever happens on the way, an event is stored once or known not to be."""

import asyncio

import pytest

from services.contracts import subjects
from services.runtime.append import ChainClosed, StreamFull, Superseded, Undecided, append
from services.runtime.jetstream import ApiError, get, publish, stream_info
from tests.support.bus import Bus, until
from tests.support.chains import purge, record, rid_of
from tests.support.topologies import Topology


async def test_an_event_is_stored_with_its_id_headers_and_bytes(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    event = record(data=b'{"a":1}')
    event.headers["traceparent"] = "00-trace"
    seq = await append(nc, event)
    stored = await get(nc, subjects.REQUESTS, seq=seq)
    assert stored is not None
    assert (stored.subject, stored.data) == (event.subject, b'{"a":1}')
    assert stored.headers[subjects.MSG_ID] == event.id
    assert stored.headers["traceparent"] == "00-trace"
    assert event.headers == {"traceparent": "00-trace"}, "the record is not changed"


async def test_a_chain_grows_event_by_event(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    accepted = record()
    first = await append(nc, accepted)
    await append(nc, record())
    second = await append(nc, record(rid_of(accepted), first, "canceled"))
    assert second == first + 2


async def test_an_own_retry_is_recognised(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    accepted = record()
    seq = await append(nc, accepted)
    assert await append(nc, accepted) == seq
    canceled = record(rid_of(accepted), seq, "canceled")
    last = await append(nc, canceled)
    assert await append(nc, canceled) == last
    assert await append(nc, accepted) == seq, "also when the chain has moved on"
    assert (await stream_info(nc, subjects.REQUESTS)).state.messages == 2


async def test_a_try_whose_acknowledgement_was_lost_is_recognised(bus: Bus) -> None:
    nc, other = await bus.connect("gateway"), await bus.connect("gateway")
    event = record()
    headers = {subjects.MSG_ID: event.id, subjects.EXPECTED_SEQUENCE: "0", subjects.EXPECTED_SUBJECT: event.chain}
    ack = await publish(other, event.subject, event.data, headers, 5.0)
    assert await append(nc, event) == ack.seq


async def test_who_comes_second_is_told_who_was_first(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    first = record()
    seq = await append(nc, first)
    with pytest.raises(Superseded) as error:
        await append(nc, record(rid_of(first)))
    assert (error.value.by.seq, error.value.by.headers[subjects.MSG_ID]) == (seq, first.id)


async def test_of_twenty_writers_after_the_same_event_one_wins(bus: Bus) -> None:
    clients = [await bus.connect("gateway") for _ in range(4)]
    accepted = record()
    seq = await append(clients[0], accepted)
    rivals = [record(rid_of(accepted), seq, "canceled") for _ in range(20)]
    results = await asyncio.gather(
        *(append(clients[n % 4], rival) for n, rival in enumerate(rivals)), return_exceptions=True
    )
    won = [result for result in results if isinstance(result, int)]
    lost = [result for result in results if isinstance(result, Superseded)]
    assert (len(won), len(lost)) == (1, 19)
    assert {error.by.seq for error in lost} == set(won)
    assert (await stream_info(clients[0], subjects.REQUESTS)).state.messages == 2


async def test_a_trimmed_chain_is_closed(bus: Bus) -> None:
    nc, history = await bus.connect("gateway"), await bus.connect("history")
    accepted = record()
    seq = await append(nc, accepted)
    await purge(history, accepted.chain)
    with pytest.raises(ChainClosed):
        await append(nc, record(rid_of(accepted), seq, "canceled"))


async def test_a_sequence_that_is_another_chains_is_no_end_of_ours(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    foreign = await append(nc, record())
    with pytest.raises(Undecided):
        await append(nc, record(prev_seq=foreign, type="canceled"), deadline_s=0.3)
    assert (await stream_info(nc, subjects.REQUESTS)).state.messages == 1


async def test_a_full_stream_says_so(topology: Topology) -> None:
    async with topology.bus(stream_max_bytes=1024 * 1024) as bus:
        nc = await bus.connect("gateway")
        for _ in range(10):
            await append(nc, record(data=b"x" * 100_000))
        with pytest.raises(StreamFull):
            await append(nc, record(data=b"x" * 100_000))
        state = (await stream_info(nc, subjects.REQUESTS)).state
        assert state.messages == 10
        assert state.first_seq == 1, "nothing was dropped to make room"


async def test_a_refusal_that_is_not_about_the_chain_is_an_error(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    event = record()
    event.headers["Nats-Expected-Stream"] = "ANOTHER"
    with pytest.raises(ApiError):
        await append(nc, event)


async def test_without_a_server_nothing_is_decided_and_afterwards_the_same_event_is_stored_once(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    event = record()
    await bus.stop()
    await until(lambda: not nc.is_connected, "the client has noticed")
    with pytest.raises(Undecided):
        await append(nc, event, deadline_s=0.5)
    await bus.start()
    await until(lambda: nc.is_connected, "the client is back")
    assert (await stream_info(nc, subjects.REQUESTS)).state.messages == 0, "nothing was buffered and sent late"
    seq = await append(nc, event)
    assert await append(nc, event) == seq
    assert (await stream_info(nc, subjects.REQUESTS)).state.messages == 1


async def test_appends_go_on_across_a_restart_of_the_server(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    events = [record() for _ in range(200)]

    async def one_after_another(mine: list[int]) -> list[int]:
        return [await append(nc, events[n]) for n in mine]

    tasks = [asyncio.create_task(one_after_another(list(range(lane, 200, 10)))) for lane in range(10)]
    await append(nc, record())
    await bus.restart()
    sequences = [seq for lane in await asyncio.gather(*tasks) for seq in lane]
    assert len(set(sequences)) == 200
    assert (await stream_info(nc, subjects.REQUESTS)).state.messages == 201
