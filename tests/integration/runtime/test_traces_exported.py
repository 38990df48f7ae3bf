"""A collector that is away, slow or hostile costs spans, and nothing else."""

import asyncio
import gc
import json
import logging
import time
from collections.abc import Iterator
from typing import get_args

import pytest

from services.runtime import spans
from services.runtime.settings import SettingsError
from services.runtime.telemetry import JsonLines
from spaces_agent.otlp import Traces
from tests.support.collector import Collector, Mode, collecting

CLOSE_S = spans.CLOSE_S
MANY = 5000
QUEUE = 100
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "60")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", str(QUEUE))
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50")
        yield collector


@pytest.fixture
def impatient(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans that were not taken in a moment are lost."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")


@pytest.fixture
def traces(collector: Collector) -> Iterator[Traces]:
    traces = Traces({"service.name": "test"}, logging.getLogger("traces"))
    yield traces
    traces.close(CLOSE_S)


@pytest.fixture
def set_up(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans are recorded in this process, until the end of the test."""
    monkeypatch.setattr(spans, "_tracer", None)
    monkeypatch.setattr(spans, "_traces", None)
    spans.set_up("gateway", "gateway-1", {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})


def make(traces: Traces, number: int) -> None:
    tracer = traces.provider.get_tracer("test")
    for _ in range(number):
        tracer.start_span("work").end()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Ours: pytest also captures what the exporter's own loggers pass on to nobody but us."""
    return [line.getMessage() for line in caplog.records if line.levelno >= logging.WARNING and line.name == "traces"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("mode", [mode for mode in get_args(Mode) if mode not in ("takes", "endless")])
def test_one_warning_says_that_spans_are_not_taken_and_one_line_that_they_are_again(
    collector: Collector, traces: Traces, caplog: pytest.LogCaptureFixture, mode: Mode
) -> None:
    caplog.set_level(logging.INFO)
    collector.mode = mode

    def asked_again() -> bool:
        make(traces, 1)
        return collector.asked > 3 and bool(warnings(caplog))

    collector.until(asked_again, "it is tried again and again")
    make(traces, MANY)
    assert len(warnings(caplog)) == 1, warnings(caplog)
    assert "the collector takes no spans" in warnings(caplog)[0]
    collector.mode = "takes"

    def over() -> bool:
        make(traces, 1)
        return "the collector takes spans again" in [record.getMessage() for record in caplog.records]

    collector.until(over, "the outage is over")
    assert len(warnings(caplog)) == 1


@pytest.mark.usefixtures("impatient")
def test_what_waits_is_bounded_and_no_span_waits_for_the_collector(collector: Collector, traces: Traces) -> None:
    collector.mode = "hangs"
    make(traces, 1)
    collector.until(lambda: collector.asked, "the collector has it")
    made_s = min(_duration(lambda: make(traces, MANY)) for _ in range(3))
    gc.collect()
    waiting = sum(1 for thing in gc.get_objects() if type(thing).__name__ == "_Span")
    assert waiting <= 2 * QUEUE
    assert made_s < 10 * _without_collector(), "as long as without any collector, by magnitude"


def test_an_answer_without_end_is_not_read(collector: Collector, traces: Traces, caplog: pytest.LogCaptureFixture) -> None:
    collector.mode = "endless"

    def taken() -> bool:
        make(traces, 1)
        return len(collector.spans) > 20

    collector.until(taken, "spans are taken")
    assert warnings(caplog) == []


@pytest.mark.parametrize("mode", ["takes", "hangs", "busy"])
def test_the_end_waits_for_the_collector_only_so_long(collector: Collector, traces: Traces, mode: Mode) -> None:
    collector.mode = mode
    make(traces, 3)
    closed_s = _duration(lambda: traces.close(CLOSE_S))
    assert closed_s < CLOSE_S + 10
    assert len(collector.spans) == (3 if mode == "takes" else 0)


@pytest.mark.usefixtures("set_up")
async def test_a_service_that_ends_sends_what_waits(collector: Collector) -> None:
    with spans.begin("work", "SERVER", {}):
        pass
    await spans.close()
    (span,) = collector.spans
    assert (span.service, span.instance) == ("spaces-gateway", "gateway-1")


@pytest.mark.usefixtures("set_up")
async def test_log_lines_carry_the_trace_that_they_belong_to() -> None:
    lines = JsonLines("gateway")
    record = logging.LogRecord("x", logging.INFO, "x", 1, "hello", None, None)
    assert "trace_id" not in json.loads(lines.format(record))
    with spans.begin("work", "SERVER", {}, (f"00-{TRACE}-{'b' * 16}-01", "")):
        inside = await asyncio.create_task(_formatted(lines, record))
    assert inside["trace_id"] == TRACE
    assert "trace_id" not in json.loads(lines.format(record))


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_a_collector_the_context_passes_through(variables: dict[str, str]) -> None:
    spans.set_up("gateway", "gateway-1", variables)
    assert not spans.on()
    with spans.begin("work", "SERVER", {}, ("parent", "state")) as span:
        assert (span.traceparent, span.tracestate, span.made) == ("parent", "state", False)


def test_another_protocol_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(SettingsError, match="http/protobuf"):
        spans.set_up("gateway", "gateway-1", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})


async def _formatted(lines: JsonLines, record: logging.LogRecord) -> dict[str, str]:
    line: dict[str, str] = json.loads(lines.format(record))
    return line


def _duration(call: object) -> float:
    started = time.monotonic()
    assert callable(call)
    call()
    return time.monotonic() - started


def _without_collector() -> float:
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    started = time.monotonic()
    for _ in range(MANY):
        tracer.start_span("work").end()
    return time.monotonic() - started
