"""What all processes of a real stack show to Prometheus is what has happened, and nobody outside makes a time series."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from spaces_agent import frames
from tests.support.gateway_sockets import Door, dial, hello, join
from tests.support.metrics import Shown, is_bounded, read_metrics, registered, targets
from tests.support.own_ports import own_port
from tests.support.stack import Stack
from tests.support.tools import tool
from tests.support.world import agent, marker, ready, until

SUBMIT, CANCEL = "/v1/spaces/{space}/requests", "/v1/requests/{id}/cancel"
PROCESSES = ("gateway-1", "registry-1", "dispatcher-1", "history-1")
HELD: dict[str, Any] = {"request_id": "01a2044a439c7146874bdc2036ab095706", "attempt": 1, "lease": 4_000_000}
AGENT = "127.0.0.1:{port}"
TROUBLE = ("ws_append_retries", "ws_rpc_unanswered", "ws_tail_recreations")
"""What a busy machine brings about, whoever sends what."""


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    await ready(stack)
    async with stack.client() as client:
        yield client


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where nobody listens."""
    port = own_port()
    monkeypatch.setenv("WS_AGENT_METRICS_PORT", str(port))
    return port


async def shown_by(stack: Stack, process: str) -> Shown:
    return await asyncio.to_thread(read_metrics, targets(stack)[process])


async def shown_by_all(stack: Stack) -> dict[str, Shown]:
    return {process: await shown_by(stack, process) for process in PROCESSES}


async def submit(http: httpx.AsyncClient, stack: Stack, input: dict[str, object], wait: int = 0) -> dict[str, str]:
    headers = {"Prefer": f"wait={wait}"} if wait else {}
    answer = await http.post(f"/v1/spaces/{stack.ready.space}/requests", json={"input": input}, headers=headers)
    assert answer.is_success, answer.text
    request: dict[str, str] = answer.json()
    return request


async def cancel(http: httpx.AsyncClient, rid: str, at_once: int) -> list[int]:
    """Cancel it so many times at once; the statuses."""
    answers = await asyncio.gather(*(http.post(f"/v1/requests/{rid}/cancel") for _ in range(at_once)))
    return [answer.status_code for answer in answers]


async def test_numbers_are_exactly_what_has_happened(
    stack: Stack, http: httpx.AsyncClient, port: int, tmp_path: Path
) -> None:
    before = await shown_by_all(stack)

    async def grown(process: str, name: str, **labels: str) -> float:
        return (await shown_by(stack, process))(name, **labels) - before[process](name, **labels)

    async def is_recorded(count: int) -> bool:
        return await grown("history-1", "ws_requests_ended_total") == count

    with agent(stack, "patient", slots=3):
        address = AGENT.format(port=port)
        (tmp_path / "go").touch()
        done = await submit(http, stack, {"directory": str(tmp_path), "n": 1}, wait=30)
        failed = await submit(http, stack, {}, wait=30)
        (tmp_path / "go").unlink()
        canceled = await submit(http, stack, {"directory": str(tmp_path), "n": 2})
        await marker(tmp_path / "started-2", "the handler runs")
        assert (await asyncio.to_thread(read_metrics, address))("spaces_agent_running") == 1
        statuses = await cancel(http, canceled["id"], at_once=5)
        await marker(tmp_path / "ended-2", "the handler has ended")
        assert (done["status"], failed["status"]) == ("succeeded", "failed")

        async def agent_is_done() -> bool:
            return (await asyncio.to_thread(read_metrics, address))("spaces_agent_results_total") == 3

        await until(agent_is_done, "the agent has counted all three")
        of_agent = await asyncio.to_thread(read_metrics, address)
    await until(lambda: is_recorded(3), "history has recorded all three")

    assert await grown("gateway-1", "ws_requests_accepted_total") == 3
    assert await grown("gateway-1", "ws_http_responses_total", method="POST", route=SUBMIT) == 3
    assert await grown("gateway-1", "ws_http_response_seconds_count", method="POST", route=SUBMIT) == 3
    for status in {200, 409}:
        answered = statuses.count(status)
        assert await grown("gateway-1", "ws_http_responses_total", route=CANCEL, code=str(status)) == answered
    for type_, count in {"accepted": 3, "succeeded": 1, "failed": 1, "canceled": 1}.items():
        assert await grown("gateway-1", "ws_appends_total", type=type_, result="stored") == count, type_
    assert await grown("dispatcher-1", "ws_appends_total", type="assigned", result="stored") == 3
    assert await grown("dispatcher-1", "ws_dispatcher_decisions_total", type="assign") == 3
    for status_, count in {"succeeded": 1, "failed": 1, "canceled": 1, "expired": 0}.items():
        assert await grown("history-1", "ws_requests_ended_total", status=status_) == count, status_
    assert await grown("history-1", "ws_requests_failed_total", code="handler_error") == 1
    assert await grown("history-1", "ws_requests_failed_total") == 1
    assert await grown("history-1", "ws_request_total_seconds_count") == 3
    assert await grown("history-1", "ws_request_wait_seconds_count") == 3
    assert await grown("gateway-1", "ws_agent_frames_total", frame="hello") == 1
    assert await grown("gateway-1", "ws_agent_frames_total", frame="result") == 2
    assert await grown("registry-1", "ws_rpc_requests_total", operation="registry.attach", result="ok") == 1

    counted = {
        status: of_agent("spaces_agent_results_total", status=status) for status in ("succeeded", "failed", "stopped")
    }
    assert counted == {"succeeded": 1, "failed": 1, "stopped": 1}
    assert (of_agent("spaces_agent_started_total"), of_agent("spaces_agent_connects_total")) == (3, 1)
    assert (of_agent("spaces_agent_connected"), of_agent("spaces_agent_slots")) == (1, 3)
    assert of_agent("spaces_agent_run_seconds_count") == 2


async def test_of_cancelers_at_the_same_moment_one_is_stored_and_the_others_are_superseded(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    before, stored, superseded = await shown_by(stack, "gateway-1"), 0, 0.0

    async def grown(result: str) -> float:
        after = await shown_by(stack, "gateway-1")
        return sum(
            shown("ws_appends_total", type="canceled", result=result) * sign for shown, sign in ((after, 1), (before, -1))
        )

    async def have_collided() -> bool:
        nonlocal stored, superseded
        request = await submit(http, stack, {"n": stored})
        assert 200 in await cancel(http, request["id"], at_once=20)
        stored += 1
        superseded = await grown("superseded")
        return superseded > 0

    await until(have_collided, "two cancelers have collided")
    assert await grown("stored") == stored


async def test_a_frame_about_what_an_agent_does_not_hold_is_counted_once_it_is_recorded(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    door = Door.of(stack.ready.url, stack.ready.agent_key)
    said = hello(name="intruder", slots=1, state="loading", spaces=[stack.ready.space])
    before = await shown_by(stack, "gateway-1")

    async def grown(name: str, **labels: str) -> float:
        return (await shown_by(stack, "gateway-1"))(name, **labels) - before(name, **labels)

    intruder = await join(door, said)
    await intruder.send(frames.Accept(**HELD))
    await intruder.expect(frames.Error)
    await until(lambda: grown("ws_refused_frames_total"), "the frame is recorded as refused")
    assert await grown("ws_refused_frames_total", frame="accept", reason="not_held", recorded="yes") == 1
    assert await grown("ws_refused_frames_total") == 1

    async def slots_are_counted() -> bool:
        shown = await shown_by(stack, "gateway-1")
        return (shown("ws_agent_sockets"), shown("ws_agent_slots", state="free")) == (1, 1)

    await until(slots_are_counted, "its socket and its slot are counted")
    await intruder.socket.close()


async def test_nothing_that_is_sent_makes_a_time_series(stack: Stack, http: httpx.AsyncClient) -> None:
    door = Door.of(stack.ready.url, stack.ready.agent_key)

    async def closed() -> float:
        return (await shown_by(stack, "gateway-1"))("ws_agent_connections_closed_total")

    async def attack(n: int) -> None:
        before = await closed()
        for path in (f"/v1/requests/{n:032x}", f"/v1/spaces/s{n}/requests", f"/no/such/{n}", f"/static/{n}/x{n}.js"):
            await http.request("GET", path)
        await http.request(f"METHOD{n}", f"/v1/requests/{n:032x}")
        await http.post(f"/v1/spaces/s{n}/requests", json={"input": {}})
        stranger = await dial(door)
        await stranger.socket.send(f'{{"type":"made_up_{n}"}}')
        await stranger.socket.close(4100 + n, f"reason {n}")

        async def is_counted() -> bool:
            return await closed() > before

        await until(is_counted, "the end of its connection is counted")

    async def series() -> set[tuple[str, tuple[tuple[str, str], ...]]]:
        shown = await shown_by_all(stack)
        found = {(name, tuple(labels.items())) for one in shown.values() for name, labels, _ in one.samples()}
        return {each for each in found if not each[0].startswith(TROUBLE)}

    await attack(0)
    after_one = await series()
    for n in range(1, 8):
        await attack(n)
    assert await series() - after_one == set()


async def test_every_process_shows_what_is_documented_with_labels_of_closed_sets(
    stack: Stack, http: httpx.AsyncClient, port: int
) -> None:
    with agent(stack, "echo"):

        async def of_agent() -> Shown | None:
            try:
                return await asyncio.to_thread(read_metrics, AGENT.format(port=port))
            except OSError:
                return None

        shown = await shown_by_all(stack) | {"agent": await until(of_agent, "the agent shows its metrics")}
    for process, one in shown.items():
        for name, labels, _ in one.samples():
            metric = (
                name if name in registered() else name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            )
            if not metric.startswith(("ws_", "spaces_agent_")):
                continue
            assert metric in registered(), f"{process} shows {name}"
            assert set(labels) - {"le"} == set(registered()[metric].labels)
            for label in set(labels) - {"le"}:
                assert is_bounded(metric, label, labels[label]), f"{process}: {name} has {label}={labels[label]!r}"
        checked = subprocess.run(
            [tool("promtool", "observability"), "check", "metrics"], input=one.text, capture_output=True, text=True
        )
        said = [line for line in checked.stderr.splitlines() if line.startswith(("ws_", "spaces_agent_"))]
        assert said == [], f"{process}: {said}"
    of_agents = {name for name in registered() if name.startswith("spaces_agent_")}
    assert {family.name for family in shown["agent"].families} >= {name.removesuffix("_total") for name in of_agents}
