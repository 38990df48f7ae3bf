"""The server's clock, whatever this machine's says."""

import pytest

from services.contracts import subjects
from services.runtime.append import append
from services.runtime.clock import ServerClock
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import get
from tests.support.bus import Bus
from tests.support.chains import record

HOUR_NS = 3600 * 10**9


@pytest.mark.parametrize("skew_ns", [-HOUR_NS, HOUR_NS])
async def test_a_skewed_clock_is_put_right(bus: Bus, skew_ns: int) -> None:
    nc = await bus.connect("gateway")
    clock = ServerClock()
    clock._offset_ns += skew_ns
    await clock.measure(nc)
    before = clock.now_ns()
    stored = await get(nc, subjects.REQUESTS, seq=await append(nc, record()))
    assert stored is not None
    # Far less than the skew; how far off it is depends on the machine's load.
    assert abs(stored.time_ns - before) < HOUR_NS // 60


async def test_without_a_server_the_last_measurement_stays(bus: Bus) -> None:
    nc = await bus.connect("gateway")
    clock = ServerClock()
    await clock.measure(nc)
    offset = clock._offset_ns
    await nc.close()
    with pytest.raises(NatsUnavailable):
        await clock.measure(nc)
    assert clock._offset_ns == offset


async def test_a_pause_of_our_own_between_question_and_answer_does_not_move_the_clock(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    nc = await bus.connect("gateway")
    clock = ServerClock()
    await clock.measure(nc)
    offset = clock._offset_ns
    instants = iter([0, 30 * 10**9])
    monkeypatch.setattr("services.runtime.clock.time.monotonic_ns", lambda: next(instants))
    await clock.measure(nc)
    assert clock._offset_ns == offset
