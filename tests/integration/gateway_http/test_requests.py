"""Submit, wait, read: on a real nats-server, with the test as dispatcher, as the agent's gateway and as history."""

import asyncio
import contextlib
import re
from typing import Any

from services.contracts import codec, subjects
from services.contracts.events import Accepted
from services.contracts.ids import part_of_space, request_id
from services.contracts.rpc import QueuePlace
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import api, stream_info
from services.runtime.kv import Bucket
from tests.support.bus import Bus, until
from tests.support.elsewhere import Elsewhere
from tests.support.http_events import answers
from tests.support.http_gateway import ADA, ADMIN, BOB, ONLY_OTHER, Gateway, fill_directory, running_gateway
from tests.support.topologies import Topology


async def metric(gateway: Gateway, line: str) -> float:
    text = (await gateway.call("GET", "/metrics", key="")).body.decode()
    return sum(float(each.rpartition(" ")[2]) for each in text.splitlines() if each.startswith(line))


async def last_seq(gateway: Gateway) -> int:
    return (await stream_info(gateway.process.nc, subjects.REQUESTS)).state.last_seq


async def test_a_submission_is_accepted_and_is_an_event(gateway: Gateway, elsewhere: Elsewhere) -> None:
    body = b'{"input":{"n": 1.50},"metadata":{"tag":"x"},"policy":{"priority":3,"execution_timeout_s":7}}'
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await gateway.submit(body, traceparent=trace)
    rid = answer.json["id"]
    assert (answer.status, answer.headers["Location"]) == (202, f"/v1/requests/{rid}")
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["X-Request-Id"] == rid
    assert "Idempotent-Replayed" not in answer.headers
    assert (answer.json["status"], answer.json["done"], answer.json["input"]) == ("queued", False, {"n": 1.5})

    event, stored = await elsewhere.last(rid)
    assert isinstance(event, Accepted)
    assert stored.subject == subjects.request_event(rid, "accepted", "demo", "-", gateway.process.id)
    assert bytes(event.input) == b'{"n": 1.50}'
    assert (event.user, event.key_id, event.actor, event.origin) == ("ada", ADA, "user:ada", gateway.process.id)
    assert (event.priority, event.execution_timeout_s, event.start_timeout_s, event.max_attempts) == (3, 7.0, 3600.0, 2)
    assert (event.metadata, event.prev_seq, event.attempt) == ({"tag": "x"}, 0, 0)
    assert event.traceparent.split("-")[1] == trace.split("-")[1]
    assert stored.headers[subjects.TRACEPARENT] == event.traceparent


async def test_the_answer_and_a_reading_of_it_agree(gateway: Gateway) -> None:
    submitted = (await gateway.submit()).json
    assert (await gateway.read(submitted["id"])).json == submitted


async def test_waiting_returns_the_outcome(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    bus.spawn(elsewhere.run_everything())
    answer = await gateway.submit(Prefer="wait=30")
    assert (answer.status, answer.json["status"], answer.json["output"]) == (201, "succeeded", {"answer": 42})
    assert "Retry-After" not in answer.headers
    assert (answer.json["agent"], answer.json["attempt"]) == ({"id": "ada/gpu"}, 1)
    assert (await gateway.read(answer.json["id"])).json == answer.json
    await until(lambda: _no_waiters(gateway), "nobody waits any more")


async def test_waiting_returns_a_failure_as_well(gateway: Gateway, elsewhere: Elsewhere) -> None:
    waiting = asyncio.create_task(gateway.submit(Prefer="wait=30"))
    rid = await accepted(elsewhere, gateway)
    await elsewhere.assign(rid)
    await elsewhere.fail(rid)
    answer = await waiting
    assert (answer.status, answer.json["status"], answer.json["done"]) == (201, "failed", True)
    assert (answer.json["error"]["code"], answer.json["error"]["detail"]) == ("handler_error", "boom")


async def test_a_wait_that_ends_early_tells_how_far_it_is(gateway: Gateway, elsewhere: Elsewhere) -> None:
    waiting = asyncio.create_task(gateway.submit(Prefer="wait=8"))
    rid = await accepted(elsewhere, gateway)
    await elsewhere.assign(rid)
    answer = await waiting
    assert (answer.status, answer.json["id"], answer.json["status"]) == (202, rid, "processing")
    assert answer.headers["Location"] == f"/v1/requests/{rid}"
    assert "Retry-After" in answer.headers
    assert await _no_waiters(gateway)


async def test_many_wait_at_once_and_each_gets_its_own(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    bus.spawn(elsewhere.run_everything())
    bodies = [b'{"input":{"n":%d}}' % n for n in range(50)]
    answers = await asyncio.gather(*(gateway.submit(body, Prefer="wait=30") for body in bodies))
    assert [answer.status for answer in answers] == [201] * 50
    assert [answer.json["input"]["n"] for answer in answers] == list(range(50))
    assert len({answer.json["id"] for answer in answers}) == 50
    assert await _no_waiters(gateway)


async def test_hanging_up_cancels_nothing(gateway: Gateway, elsewhere: Elsewhere) -> None:
    waiting = asyncio.create_task(gateway.submit(Prefer="wait=60"))
    rid = await accepted(elsewhere, gateway)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await elsewhere.assign(rid)
    await elsewhere.succeed(rid)
    assert (await gateway.read(rid)).json["status"] == "succeeded"
    await until(lambda: _no_waiters(gateway), "nobody waits any more")


async def test_waiting_survives_a_restart_of_nats(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    waiting = asyncio.create_task(gateway.submit(Prefer="wait=60"))
    rid = await accepted(elsewhere, gateway)
    await bus.restart()
    await until(lambda: answers(elsewhere, rid), "the stream answers again")
    await elsewhere.assign(rid)
    await elsewhere.succeed(rid)
    assert (await waiting).json["status"] == "succeeded"


async def test_a_quiet_gateway_outlives_what_was_trimmed_meanwhile(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    await gateway.submit()
    async with running_gateway(bus) as other:
        for _ in range(3):
            await other.submit()
    await api(elsewhere.history, f"STREAM.PURGE.{subjects.REQUESTS}", {})
    await bus.restart()
    await until(lambda: gateway.process.nc.is_connected, "the gateway is connected again")
    waiting = asyncio.create_task(gateway.submit(Prefer="wait=60"))
    rid = await accepted(elsewhere, gateway)
    await elsewhere.assign(rid)
    await elsewhere.succeed(rid)
    assert (await waiting).json["status"] == "succeeded"
    assert gateway.process.failure is None


async def test_any_gateway_reads_what_another_accepted(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    async with running_gateway(bus) as other:
        submitted = (await gateway.submit()).json
        assert (await other.read(submitted["id"])).json == submitted
        await elsewhere.assign(submitted["id"])
        assert (await other.read(submitted["id"])).json["status"] == "processing"


async def test_others_do_not_learn_of_a_request(gateway: Gateway) -> None:
    rid = (await gateway.submit()).json["id"]
    assert (await gateway.read(rid)).status == 200
    assert (await gateway.read(rid, key=ADMIN)).status == 200
    for stranger in (BOB, ONLY_OTHER):
        answer = await gateway.read(rid, key=stranger)
        assert (answer.status, answer.json["code"]) == (404, "not_found")
        assert rid not in answer.body.decode()


async def test_a_queued_request_has_its_place_when_the_dispatcher_answers(gateway: Gateway, elsewhere: Elsewhere) -> None:
    rid = (await gateway.submit()).json["id"]
    assert (await gateway.read(rid)).json["queue"] == {"reason": "", "eta_s": None}
    await elsewhere.answer_as_dispatcher(part_of_space("demo"), QueuePlace(position=4, reason="agents_busy", eta_s=8.0))
    assert (await gateway.read(rid)).json["queue"] == {"position": 4, "reason": "agents_busy", "eta_s": 8.0}


async def test_what_the_stream_has_lost_is_asked_of_history(gateway: Gateway, elsewhere: Elsewhere, bus: Bus) -> None:
    bus.spawn(elsewhere.run_everything())
    whole, cut = [(await gateway.submit(Prefer="wait=30")).json for _ in range(2)]
    gone = await elsewhere.trim(whole["id"], keep=0)
    rest = await elsewhere.trim(cut["id"], keep=1)
    for each in (whole, cut):
        answer = await gateway.read(each["id"])
        assert (answer.status, answer.json["code"], answer.json["retryable"]) == (503, "unavailable", True)
        assert "Retry-After" in answer.headers

    # History has not recorded the last event of the second one yet.
    asked = await elsewhere.answer_as_history({whole["id"]: gone, cut["id"]: rest[:-1]})
    for each in (whole, cut):
        assert (await gateway.read(each["id"])).json == each
    assert asked == [whole["id"], cut["id"]]


async def test_a_request_that_nobody_knows_is_not_found_only_when_history_says_so(
    gateway: Gateway, elsewhere: Elsewhere
) -> None:
    rid = request_id("demo", 0, bytes(10))
    assert (await gateway.read(rid)).status == 503
    await elsewhere.answer_as_history({})
    assert (await gateway.read(rid)).status == 404


async def test_nothing_is_admitted_while_recovery_is_needed(gateway: Gateway, bus: Bus) -> None:
    before = await last_seq(gateway)
    live = Bucket(await bus.connect("history"), subjects.LIVE)
    revision = await live.put(subjects.HALTED_KEY, b"{}")

    async def refused() -> bool:
        return (await gateway.submit()).status == 503

    await until(refused, "submissions are refused")
    answer = await gateway.submit()
    assert (answer.json["code"], answer.headers["Retry-After"]) == ("unavailable", "5")
    await live.delete(subjects.HALTED_KEY, revision)

    async def admitted() -> bool:
        return (await gateway.submit()).status == 202

    await until(admitted, "submissions are admitted again")
    assert await last_seq(gateway) > before


async def test_admission_stops_before_the_stream_is_full_and_goes_on_after_a_trim(topology: Topology) -> None:
    body = b'{"input":{"a":"' + b"x" * 122_000 + b'"}}'
    async with topology.bus(stream_max_bytes=16 * 1024 * 1024) as bus:
        await fill_directory(bus)
        async with running_gateway(bus) as gateway:
            assert {(await gateway.submit(body)).status for _ in range(105)} == {202}  # 77 % of the limit
            for _ in range(7):  # the last ones come over 80 %, and the gateway may look at any time
                await gateway.submit(body)
            answer = await gateway.submit()

            async def answers(status: int) -> bool:
                nonlocal answer
                answer = await gateway.submit()
                return answer.status == status

            await until(lambda: answers(503), "submissions are refused")
            assert (answer.json["code"], answer.headers["Retry-After"]) == ("unavailable", "5")
            assert "nearly full" in answer.json["detail"]
            assert (await stream_info(gateway.process.nc, subjects.REQUESTS)).state.bytes < 0.9 * 16 * 1024 * 1024

            history = await bus.connect("history")
            await api(history, f"STREAM.PURGE.{subjects.REQUESTS}", {})
            await until(lambda: answers(202), "submissions are admitted again")


async def test_health_metrics_and_openapi(gateway: Gateway) -> None:
    for path in ("/healthz", "/readyz", "/openapi.json"):
        answer = await gateway.call("GET", path, key="")
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    before = await metric(gateway, "ws_requests_accepted_total")
    await gateway.submit()
    assert await metric(gateway, "ws_requests_accepted_total") == before + 1
    assert (
        await metric(gateway, 'ws_http_responses_total{code="202",method="POST",route="/v1/spaces/{space}/requests"}') >= 1
    )
    assert await metric(gateway, 'ws_appends_total{result="stored",type="accepted"}') >= 1


async def test_the_documentation_is_a_page_that_runs_nothing(gateway: Gateway) -> None:
    page = await gateway.call("GET", "/docs", key="")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    [style] = re.findall(r'rel="stylesheet" href="([^"]+)"', page.body.decode())
    sheet = await gateway.call("GET", style, key="")
    assert (sheet.status, sheet.headers["Content-Type"]) == (200, "text/css; charset=utf-8")


async def accepted(elsewhere: Elsewhere, gateway: Gateway) -> str:
    """The id of the one request that is in the stream, as soon as it is."""
    found: list[str] = []

    async def there() -> bool:
        nc: Any = gateway.process.nc
        with contextlib.suppress(NatsUnavailable):  # after a restart: not yet
            info = await stream_info(nc, subjects.REQUESTS)
            if info.state.messages:
                stored = await elsewhere.at(info.state.last_seq)
                found.append(codec.requests.decode(stored.data).rid)
        return bool(found)

    await until(there, "accepted")
    return found[0]


async def _no_waiters(gateway: Gateway) -> bool:
    return await metric(gateway, "ws_waiters") == 0
