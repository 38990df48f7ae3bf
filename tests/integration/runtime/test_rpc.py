"""Typed request-reply over NATS micro services."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.rpc import Recorded, RevokeKey
from services.runtime import rpc
from services.runtime.errors import NatsUnavailable, Retryable
from services.runtime.rpc import Operation, Refused
from tests.support.bus import Bus, until
from tests.support.hearing import heard

ASK = subjects.registry_rpc("ask")
Handler = Callable[[Any], Awaitable[msgspec.Struct | None]]


@pytest.fixture
async def caller(bus: Bus) -> Client:
    return await bus.connect("operator")


async def serving(bus: Bus, handler: Handler, everyone: bool = False) -> Client:
    nc = await bus.connect("registry")
    await rpc.serve(nc, "registry", "a test", {"ask": Operation(ASK, RevokeKey, handler, everyone)})
    await heard(bus.servers, ASK)
    return nc


def ask(nc: Client, key_id: str = "k1", timeout_s: float = 10.0) -> Awaitable[Recorded]:
    return rpc.call(nc, ASK, RevokeKey(key_id=key_id), Recorded, timeout_s)


async def test_a_question_gets_its_typed_answer(bus: Bus, caller: Client) -> None:
    async def answer(message: RevokeKey) -> Recorded:
        return Recorded(seq=7, id=message.key_id)

    await serving(bus, answer)
    assert await ask(caller) == Recorded(seq=7, id="k1")


async def test_a_refusal_arrives_with_its_code(bus: Bus, caller: Client) -> None:
    async def refuse(message: RevokeKey) -> Recorded:
        raise Refused("not_found", "no such key")

    await serving(bus, refuse)
    with pytest.raises(Refused, match="no such key") as error:
        await ask(caller)
    assert error.value.code == "not_found"


async def test_what_may_succeed_later_is_unavailable(bus: Bus, caller: Client) -> None:
    async def fail(message: RevokeKey) -> Recorded:
        raise Retryable("later")

    await serving(bus, fail)
    with pytest.raises(NatsUnavailable, match="later"):
        await ask(caller)


async def test_a_handlers_error_is_not_told_to_the_caller(bus: Bus, caller: Client) -> None:
    async def fail(message: RevokeKey) -> Recorded:
        raise RuntimeError("a secret")

    await serving(bus, fail)
    with pytest.raises(NatsUnavailable) as error:
        await ask(caller)
    assert "secret" not in str(error.value)
    with pytest.raises(NatsUnavailable):
        await ask(caller)  # and the service goes on


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"key_id":7}', b"\xff"])
async def test_a_question_that_is_none_is_refused(bus: Bus, caller: Client, data: bytes) -> None:
    async def answer(message: RevokeKey) -> Recorded:
        return Recorded(seq=7)

    await serving(bus, answer)
    reply = msgspec.json.decode((await caller.request(ASK, data, timeout=10)).data)
    assert (reply["type"], reply["code"]) == ("error", "invalid")
    assert await ask(caller) == Recorded(seq=7)


async def test_when_nobody_is_there_the_caller_is_told(caller: Client) -> None:
    with pytest.raises(NatsUnavailable, match="nobody answered"):
        await ask(caller)


async def test_when_nobody_answers_the_caller_is_told(bus: Bus, caller: Client) -> None:
    async def never(message: RevokeKey) -> Recorded:
        await asyncio.Event().wait()
        raise AssertionError

    await serving(bus, never)
    with pytest.raises(NatsUnavailable, match="nobody answered"):
        await ask(caller, timeout_s=0.3)


async def test_a_slow_answer_holds_nobody_up(bus: Bus, caller: Client) -> None:
    release = asyncio.Event()

    async def answer(message: RevokeKey) -> Recorded:
        if message.key_id == "slow":
            await release.wait()
        return Recorded(seq=1, id=message.key_id)

    await serving(bus, answer)
    slow = asyncio.ensure_future(ask(caller, "slow"))
    assert (await ask(caller, "fast")).id == "fast"
    release.set()
    assert (await slow).id == "slow"


async def test_so_many_at_a_time_and_no_more(bus: Bus, caller: Client) -> None:
    working, most = 0, 0
    release = asyncio.Event()

    async def answer(message: RevokeKey) -> Recorded:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await release.wait()
        working -= 1
        return Recorded(seq=1)

    await serving(bus, answer)
    calls = [asyncio.ensure_future(ask(caller)) for _ in range(rpc.CONCURRENCY + 20)]
    await until(lambda: working == rpc.CONCURRENCY, "all places are taken")
    release.set()
    await asyncio.gather(*calls)
    assert most == rpc.CONCURRENCY


async def test_one_of_two_replicas_answers(bus: Bus, caller: Client) -> None:
    asked: list[str] = []

    async def answer(message: RevokeKey) -> Recorded:
        asked.append(message.key_id)
        return Recorded(seq=1)

    await serving(bus, answer)
    await serving(bus, answer)
    for n in range(20):
        await ask(caller, str(n))
    assert sorted(asked, key=int) == [str(n) for n in range(20)]


async def test_everyone_is_asked_and_who_knows_answers(bus: Bus, caller: Client) -> None:
    async def silent(message: RevokeKey) -> None:
        return None

    async def answer(message: RevokeKey) -> Recorded:
        return Recorded(seq=7)

    await serving(bus, silent, everyone=True)
    await serving(bus, answer, everyone=True)
    for _ in range(10):
        assert await ask(caller) == Recorded(seq=7)


async def test_a_process_that_stops_answers_what_it_was_asked(
    bus: Bus, caller: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "CALL_S", 60.0)
    asked, release = asyncio.Event(), asyncio.Event()

    async def answer(message: RevokeKey) -> Recorded:
        asked.set()
        await release.wait()
        return Recorded(seq=1)

    nc = await bus.connect("registry")
    service = await rpc.serve(nc, "registry", "a test", {"ask": Operation(ASK, RevokeKey, answer)})
    await heard(bus.servers, ASK)
    question = asyncio.ensure_future(ask(caller, timeout_s=60.0))
    await asked.wait()
    stopping = asyncio.ensure_future(service.stop())
    with pytest.raises(NatsUnavailable):
        await ask(caller, timeout_s=1.0)
    assert not stopping.done()
    release.set()
    await stopping
    await nc.close()
    assert (await question).seq == 1


async def statistics(nc: Client) -> dict[str, Any]:
    answer = msgspec.json.decode((await nc.request("$SRV.STATS.registry", b"", timeout=10)).data)
    endpoint: dict[str, Any] = answer["endpoints"][0]
    return endpoint


async def test_statistics_count_the_time_that_answers_took(bus: Bus, caller: Client) -> None:
    async def answer(message: RevokeKey) -> Recorded:
        await asyncio.sleep(0.2)
        return Recorded(seq=1, id=message.key_id)

    await serving(bus, answer)
    before = await statistics(caller)
    await asyncio.gather(ask(caller), ask(caller))
    after = await statistics(caller)
    assert after["num_requests"] - before["num_requests"] == 2
    assert after["num_errors"] == before["num_errors"]
    assert after["processing_time"] - before["processing_time"] >= 400_000_000
    assert after["average_processing_time"] > before["average_processing_time"]


async def test_statistics_count_refusals_and_name_the_code_of_the_last_one_without_its_text(
    bus: Bus, caller: Client
) -> None:
    async def refuse(message: RevokeKey) -> Recorded:
        raise Refused("not_found", f"no key {message.key_id}")

    await serving(bus, refuse)
    before = await statistics(caller)
    with pytest.raises(Refused):
        await ask(caller, "secret")
    after = await statistics(caller)
    assert (after["num_errors"] - before["num_errors"], after["last_error"]) == (1, "not_found")
