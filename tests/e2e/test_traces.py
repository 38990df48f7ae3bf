"""One trace from the HTTP request through NATS and the WebSocket into the handler, as a collector sees it."""

import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.collector import Collector, Span, collecting
from tests.support.stack import Stack, fresh_home
from tests.support.world import agent, client, link_pid, marker, ready, until

HANDLERS = "tests.e2e.traced_handlers"
SUBMIT = "POST /v1/spaces/{space}/requests"
SECRET = "nobody-else-reads-this"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        before = dict(os.environ)
        os.environ.update(variables)  # of the stack as of the agents
        yield collector
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def stack(collector: Collector) -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, "--no-demo", "--gateways", "2") as stack:
        yield stack


@pytest.fixture(autouse=True)
def takes_again(collector: Collector) -> Iterator[None]:
    yield
    collector.mode = "takes"


class Caller:
    """Who begins a trace."""

    def __init__(self, flags: str = "01") -> None:
        self.trace, self.span = secrets.token_hex(16), secrets.token_hex(8)
        self.headers = {"traceparent": f"00-{self.trace}-{self.span}-{flags}", "tracestate": "vendor=1"}


def tree(collector: Collector, trace: str, *names: str) -> dict[str, list[Span]]:
    """The spans of the trace by name, when all of these are there."""

    def complete() -> dict[str, list[Span]] | None:
        found = collector.named(trace)
        return found if all(len(found.get(name, [])) >= names.count(name) for name in names) else None

    found: dict[str, list[Span]] = collector.until(complete, f"{', '.join(names)} in {trace}")
    return found


def attempt(spans: list[Span], number: int) -> Span:
    (span,) = [span for span in spans if span.attributes["ws.attempt"] == number]
    return span


async def test_a_request_is_one_trace_from_the_caller_into_the_handler_across_two_gateways(
    stack: Stack, collector: Collector
) -> None:
    await ready(stack)
    caller = Caller()
    with agent(stack, "plain", module=HANDLERS, gateways=[1]):
        async with client(stack, 0) as here:
            request = await here.submit({"secret": SECRET}, wait=30, headers=caller.headers)
        assert request["status"] == "succeeded", request
        space = stack.ready.space
        path = (SUBMIT, "append accepted", "append assigned", "deliver", f"handle {space}", "model")
        found = tree(collector, caller.trace, *path, "append succeeded")
    spans = [found[name][0] for name in path]
    assert [span.parent for span in spans] == [caller.span, *(span.id for span in spans[:-1])]
    assert found["append succeeded"][0].parent == found["deliver"][0].id
    agents = ["spaces-agent", "spaces-agent"]
    assert [span.service for span in spans] == [
        *("spaces-gateway", "spaces-gateway", "spaces-dispatcher", "spaces-gateway"),
        *agents,
    ]
    assert found["deliver"][0].instance == found["append succeeded"][0].instance != found[SUBMIT][0].instance
    for span in [*spans[:-1], found["append succeeded"][0]]:
        assert span.attributes["ws.request_id"] == request["id"], span
    assert [span.attributes.get("ws.attempt") for span in spans] == [None, 0, 1, 1, 1, None]
    assert request["output"] == {
        "traceparent": f"00-{caller.trace}-{found[f'handle {space}'][0].id}-01",
        "tracestate": "vendor=1",
    }
    assert {span.state for span in spans} == {"vendor=1"}
    assert found[SUBMIT][0].attributes["http.response.status_code"] == 201
    written = (caller.trace, found["append succeeded"][0].id)
    collector.until(lambda: [s for s in collector.spans if s.name == "record" and written in s.links], "it is recorded")
    exported = str(collector.spans)
    assert SECRET not in exported
    assert stack.ready.api_key not in exported
    assert stack.ready.agent_key not in exported


@pytest.mark.parametrize(
    ("handler", "isolate"),
    [("plain", False), ("awaited", False), ("yielding", False), ("streaming", False), ("plain", True), ("streaming", True)],
)
async def test_spans_of_the_handler_are_children_however_it_runs(
    stack: Stack, collector: Collector, handler: str, isolate: bool
) -> None:
    caller = Caller()
    with agent(stack, handler, module=HANDLERS, isolate=isolate):
        async with client(stack) as here:
            request = await here.submit({}, wait=30, headers=caller.headers)
        assert request["status"] == "succeeded", request
        found = tree(collector, caller.trace, "deliver", f"handle {stack.ready.space}", "model")
    (deliver,), (handle,), (model,) = found["deliver"], found[f"handle {stack.ready.space}"], found["model"]
    assert (handle.parent, model.parent) == (deliver.id, handle.id)


async def test_a_second_attempt_is_in_the_same_trace(stack: Stack, collector: Collector) -> None:
    caller = Caller()
    with agent(stack, "plain", module=HANDLERS):
        async with client(stack) as here:
            policy = {"max_attempts": 2}
            request = await here.submit({"succeeds_at": 2}, wait=30, headers=caller.headers, policy=policy)
        assert (request["status"], request["attempt"]) == ("succeeded", 2), request
        name = f"handle {stack.ready.space}"
        names = ("append requeued", "append succeeded", "append assigned", "append assigned", name, name, "model", "model")
        found = tree(collector, caller.trace, *names)
    (accepted,) = found["append accepted"]
    for number, end in ((1, "append requeued"), (2, "append succeeded")):
        assigned, deliver = attempt(found["append assigned"], number), attempt(found["deliver"], number)
        handled = attempt(found[name], number)
        assert (assigned.parent, deliver.parent, handled.parent) == (accepted.id, assigned.id, deliver.id)
        assert attempt(found[end], number).parent == deliver.id
    assert attempt(found[name], 1).failed
    assert not attempt(found[name], 2).failed


async def test_the_trace_goes_on_when_the_agent_comes_back_at_another_gateway(
    stack: Stack, collector: Collector, tmp_path: Path
) -> None:
    caller = Caller()
    with agent(stack, "plain", module=HANDLERS, gateways=[1, 0]) as process:
        async with client(stack, 0) as here:
            request = await here.submit({"directory": str(tmp_path)}, headers=caller.headers)
            await marker(tmp_path / "started", "the handler runs")
            (deliver,) = tree(collector, caller.trace, "deliver")["deliver"]
            gateway = await _gateway_of(stack, deliver)
            os.kill(gateway, signal.SIGKILL)

            async def moved() -> bool:
                return gateway not in stack.pids("gateway") and len(stack.pids("gateway")) == 2

            await until(moved, "the gateway is replaced")
            (tmp_path / "go").touch()
            done = await here.finished(request["id"])
        assert (done["status"], done["attempt"]) == ("succeeded", 1), done
        assert link_pid(process)
        found = tree(collector, caller.trace, "append succeeded", "model", f"handle {stack.ready.space}")
    (assigned,), (handle,), (result,) = (
        found[name] for name in ("append assigned", f"handle {stack.ready.space}", "append succeeded")
    )
    assert handle.parent == deliver.id
    assert result.parent == assigned.id, "the gateway that took it over knows the lease from the stream"
    assert result.instance != deliver.instance


async def test_a_trace_that_its_caller_does_not_sample_is_passed_on_and_not_recorded(
    stack: Stack, collector: Collector
) -> None:
    silent, spoken = Caller("00"), Caller()
    with agent(stack, "plain", module=HANDLERS):
        async with client(stack) as here:
            request = await here.submit({}, wait=30, headers=silent.headers)
            await here.submit({}, wait=30, headers=spoken.headers)
        tree(collector, spoken.trace, "append succeeded", "model")
    _, trace, _, flags = request["output"]["traceparent"].split("-")
    assert (trace, flags) == (silent.trace, "00")
    assert collector.named(silent.trace) == {}
    assert silent.trace not in {trace for span in collector.spans for trace, _ in span.links}


@pytest.mark.parametrize("given", ["garbage", f"00-{'0' * 32}-{'1' * 16}-01", f"00-{'a' * 32}-{'b' * 16}-01-more"])
async def test_garbage_begins_a_new_trace(stack: Stack, collector: Collector, given: str) -> None:
    with agent(stack, "plain", module=HANDLERS):
        async with client(stack) as here:
            request = await here.submit({}, wait=30, headers={"traceparent": given, "tracestate": "vendor=1"})
        _, trace, span, _ = request["output"]["traceparent"].split("-")
        found = tree(collector, trace, SUBMIT, "append succeeded", f"handle {stack.ready.space}")
    assert (found[SUBMIT][0].parent, found[SUBMIT][0].state) == ("", "")
    assert found[f"handle {stack.ready.space}"][0].id == span
    assert request["output"]["tracestate"] == ""


@pytest.mark.parametrize("isolate", [False, True], ids=["here", "isolated"])
async def test_an_agent_that_ends_sends_what_waits(
    stack: Stack, collector: Collector, isolate: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    caller = Caller()
    with agent(stack, "plain", module=HANDLERS, isolate=isolate) as process:
        async with client(stack) as here:
            await here.submit({}, wait=30, headers=caller.headers)
        assert "model" not in collector.named(caller.trace)
        process.send_signal(signal.SIGTERM)
        tree(collector, caller.trace, "model", f"handle {stack.ready.space}")


async def test_nothing_is_lost_while_the_collector_hangs_and_each_service_says_so_once(
    stack: Stack, collector: Collector
) -> None:
    before = len(_log(stack, "dispatcher-1"))

    def told() -> list[str]:
        return _log(stack, "dispatcher-1")[before:]

    collector.mode = "hangs"
    with agent(stack, "plain", module=HANDLERS):
        async with client(stack) as here:
            for _ in range(20):
                request = await here.submit({}, wait=30)
                assert request["status"] == "succeeded", request

            async def warned() -> list[str]:
                return [line for line in told() if "the collector takes no spans" in line]

            await until(warned, "the dispatcher says that its spans are not taken")
            asked = collector.asked
            while collector.asked < asked + 8:
                await here.submit({}, wait=30)
        assert len(await warned()) == 1
        assert not [line for line in told() if '"logger": "opentelemetry' in line]
        collector.mode = "takes"

        async def over() -> bool:
            return any("the collector takes spans again" in line for line in told())

        async with client(stack) as here:
            await here.submit({}, wait=30)
        await until(over, "the outage is over")


def _log(stack: Stack, name: str) -> list[str]:
    return (stack.home / "logs" / f"{name}.log").read_text().splitlines()


async def _gateway_of(stack: Stack, span: Span) -> int:
    """The process whose log names the instance of the span."""
    (number,) = [n for n in (1, 2) if any(span.instance in line for line in _log(stack, f"gateway-{n}"))]
    return stack.pids("gateway")[number - 1]
