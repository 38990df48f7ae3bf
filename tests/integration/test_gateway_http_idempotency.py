"""Idempotency keys: one request per key, whatever is repeated, whoever is asked, and wherever a gateway died."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import msgspec
import pytest

from services.contracts import subjects
from services.contracts.events import Accepted
from services.contracts.idempotency import KeyRecord
from services.contracts.ids import request_id
from services.gateway import waiting
from services.gateway.intake import key_digest
from services.runtime.jetstream import stream_info
from services.runtime.kv import Bucket
from tests.support.bus import Bus, until
from tests.support.elsewhere import Elsewhere
from tests.support.http_gateway import ADA, BOB, Gateway, HttpAnswer, fill_directory, running_gateway
from tests.support.proxy import Send, Way, proxy
from tests.support.topologies import Topology

BODY = b'{"input":{"n":1}}'
RID = request_id("demo", 1_700_000_000_000, bytes(10))


@pytest.fixture
async def bus(topology: Topology) -> AsyncIterator[Bus]:
    async with topology.bus() as here:
        await fill_directory(here)
        yield here


@pytest.fixture
async def gateway(bus: Bus) -> AsyncIterator[Gateway]:
    async with running_gateway(bus) as here:
        yield here


@pytest.fixture
async def elsewhere(bus: Bus) -> Elsewhere:
    return await Elsewhere.connect(bus)


async def submit(gateway: Gateway, body: bytes = BODY, *, key: str = ADA, space: str = "demo", **headers: str) -> HttpAnswer:
    return await gateway.submit(body, key=key, space=space, Idempotency_Key="order 1", **headers)


async def accepted_count(gateway: Gateway) -> int:
    return (await stream_info(gateway.process.nc, subjects.REQUESTS)).state.messages


async def left_behind(bus: Bus, body: bytes = BODY) -> None:
    """The record of ada's key, as a gateway leaves it that dies before the append."""
    bucket = Bucket(await bus.connect("gateway"), subjects.KEYS)
    record = KeyRecord(rid=RID, body_sha256=hashlib.sha256(body).hexdigest())
    await bucket.create(key_digest("ada", "demo", "order 1"), msgspec.json.encode(record), 60)


async def test_the_same_key_and_body_is_the_same_request(gateway: Gateway, elsewhere: Elsewhere) -> None:
    first, second = await submit(gateway), await submit(gateway)
    assert (first.status, second.status) == (202, 202)
    assert first.json == second.json
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["X-Request-Id"] == first.json["id"]
    assert await accepted_count(gateway) == 1
    event, _ = await elsewhere.last(first.json["id"])
    assert isinstance(event, Accepted)
    assert event.key_digest == key_digest("ada", "demo", "order 1")


async def test_the_answer_tells_the_stored_instant_though_the_tail_is_late(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "BEGIN_S", 0.0)
    monkeypatch.setattr(waiting.Waiter, "see", lambda *_: None)
    assert (await submit(gateway)).json == (await submit(gateway)).json


async def test_another_body_is_a_mismatch(gateway: Gateway) -> None:
    await submit(gateway)
    answer = await submit(gateway, b'{"input":{"n":2}}')
    assert (answer.status, answer.json["code"]) == (422, "idempotency_mismatch")
    assert await accepted_count(gateway) == 1


async def test_the_same_key_of_another_caller_or_for_another_space_is_another_key(gateway: Gateway) -> None:
    answers = [await submit(gateway), await submit(gateway, key=BOB), await submit(gateway, space="other")]
    assert len({answer.json["id"] for answer in answers}) == 3


@pytest.mark.parametrize("refused", [b'{"input":1}', b'{"input":{"audio":"/v1/files/ada.%b"}}' % (b"0" * 32)])
async def test_a_refused_submission_does_not_use_up_its_key(gateway: Gateway, refused: bytes) -> None:
    assert (await submit(gateway, refused)).status == 422
    assert (await submit(gateway)).status == 202


async def test_another_gateway_knows_the_key(gateway: Gateway, bus: Bus) -> None:
    async with running_gateway(bus) as other:
        first, second = await submit(gateway), await submit(other)
        assert second.headers["Idempotent-Replayed"] == "true"
        assert first.json == second.json


async def test_a_replay_of_what_has_finished_returns_the_outcome(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = (await submit(gateway)).json["id"]
    await elsewhere.assign(rid)
    await elsewhere.succeed(rid)
    answer = await submit(gateway, Prefer="wait=5")
    assert (answer.status, answer.json["id"], answer.json["status"]) == (201, rid, "succeeded")
    assert answer.headers["Idempotent-Replayed"] == "true"


async def test_replays_wait_at_any_gateway(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    rid = (await submit(gateway)).json["id"]
    async with running_gateway(bus) as other:
        waiting = [asyncio.create_task(submit(each, Prefer="wait=30")) for each in (gateway, other, other)]
        await until(lambda: _waiters(gateway, 3), "three wait")  # both gateways count in this one process
        await elsewhere.assign(rid)
        await elsewhere.succeed(rid)
        answers = await asyncio.gather(*waiting)
        assert [(each.status, each.json["id"], each.json["status"]) for each in answers] == [(201, rid, "succeeded")] * 3
        assert await _waiters(gateway, 0)


async def test_a_replay_that_waits_in_vain_tells_how_far_it_is(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    rid = (await submit(gateway)).json["id"]
    await elsewhere.assign(rid)
    async with running_gateway(bus) as other:
        for each in (gateway, other):
            answer = await submit(each, Prefer="wait=1")
            assert (answer.status, answer.json["status"]) == (202, "processing")


async def test_a_key_whose_gateway_died_is_accepted_under_its_id(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    await left_behind(bus)
    silent = await submit(gateway)
    assert (silent.status, silent.json["code"]) == (503, "unavailable")
    assert await accepted_count(gateway) == 0

    await elsewhere.answer_as_history({})
    answer = await submit(gateway)
    assert (answer.status, answer.json["id"]) == (202, RID)
    assert (await submit(gateway)).json == answer.json
    assert await accepted_count(gateway) == 1


async def test_a_key_whose_request_is_only_in_history_is_not_accepted_again(
    gateway: Gateway, elsewhere: Elsewhere, bus: Bus
) -> None:
    await left_behind(bus)
    await elsewhere.accept(RID)
    await elsewhere.assign(RID)
    await elsewhere.succeed(RID)
    chain = await elsewhere.trim(RID, keep=0)
    await elsewhere.answer_as_history({RID: chain})
    answer = await submit(gateway)
    assert (answer.status, answer.json["id"], answer.json["status"]) == (201, RID, "succeeded")
    assert await accepted_count(gateway) == 0


@pytest.mark.parametrize("left", [False, True])
async def test_twenty_at_once_with_one_key_are_one_request(
    gateway: Gateway, elsewhere: Elsewhere, bus: Bus, left: bool
) -> None:
    await elsewhere.answer_as_history({})
    if left:
        await left_behind(bus)
    async with running_gateway(bus) as other:
        answers = await asyncio.gather(*(submit([gateway, other][n % 2]) for n in range(20)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert await accepted_count(gateway) == 1


async def test_a_gateway_that_is_slow_to_append_answers_with_the_request_that_another_made_of_its_key(
    bus: Bus, elsewhere: Elsewhere, gateway: Gateway
) -> None:
    await elsewhere.answer_as_history({})
    held, let_go = asyncio.Event(), asyncio.Event()

    async def hold_accepted(_: int, way: Way, data: bytes, send: Send) -> None:
        if way is Way.TO_SERVER and b".accepted.demo." in data:
            held.set()
            await let_go.wait()
        await send(data)

    nats_url = f"http://127.0.0.1:{bus.door.port}"
    async with proxy(nats_url, hold_accepted) as slow_way, running_gateway(bus, slow_way) as slow:
        slowly = asyncio.create_task(submit(slow))
        await held.wait()
        first = await submit(gateway)
        let_go.set()
        second = await slowly
        assert (first.status, second.status) == (202, 202)
        assert first.json["id"] == second.json["id"]
        assert second.headers["Idempotent-Replayed"] == "true"
        assert await accepted_count(gateway) == 1


async def _waiters(gateway: Gateway, expected: int) -> bool:
    text = (await gateway.call("GET", "/metrics", key="")).body.decode()
    return f"ws_waiters {expected}.0" in text
