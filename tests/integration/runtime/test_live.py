"""Who is alive, as others see it."""

import asyncio

import pytest

from services.contracts import subjects
from services.runtime.kv import Bucket
from services.runtime.live import Liveness
from services.runtime.topology import LIVE_STREAM
from tests.support.bus import Bus, until


@pytest.fixture
async def watcher(bus: Bus) -> Liveness:
    """A dispatcher's view."""
    liveness = Liveness(await bus.connect("dispatcher"), "dispatcher", "d1")
    bus.spawn(liveness.watch())
    await asyncio.wait_for(liveness.caught_up.wait(), 30)
    return liveness


async def test_who_announces_itself_is_seen_until_it_withdraws(bus: Bus, watcher: Liveness) -> None:
    changes: list[frozenset[str]] = []
    watcher.on_change = lambda: changes.append(watcher.alive("gateway"))
    gateways = [Liveness(await bus.connect("gateway"), "gateway", id) for id in ("g1", "g2")]
    for gateway in gateways:
        await gateway.announce()
    await until(lambda: watcher.alive("gateway") == {"g1", "g2"}, "both are seen")
    assert watcher.alive("dispatcher") == frozenset()
    await gateways[0].withdraw()
    await until(lambda: watcher.alive("gateway") == {"g2"}, "one is gone")
    assert changes[-1] == {"g2"}


async def test_a_key_that_is_not_renewed_expires(bus: Bus, watcher: Liveness) -> None:
    changes: list[frozenset[str]] = []
    watcher.on_change = lambda: changes.append(watcher.alive("gateway"))
    bucket = Bucket(await bus.connect("gateway"), subjects.LIVE)
    await bucket.put(subjects.live_key("gateway", "g1"), b"{}", ttl_s=3600.0)
    await until(lambda: watcher.alive("gateway") == {"g1"}, "it is seen")
    await bucket.put(subjects.live_key("gateway", "g1"), b"{}", ttl_s=1.0)  # which may be over before anybody looks
    await until(lambda: watcher.alive("gateway") == frozenset(), "it has expired")


async def test_a_late_watcher_sees_who_is_there(bus: Bus) -> None:
    gateway = Liveness(await bus.connect("gateway"), "gateway", "g1")
    await gateway.announce()
    late = Liveness(await bus.connect("dispatcher"), "dispatcher", "d1")
    bus.spawn(late.watch())
    await asyncio.wait_for(late.caught_up.wait(), 30)
    assert late.alive("gateway") == {"g1"}


async def test_announcing_goes_on_after_a_restart_of_the_server(
    bus: Bus, watcher: Liveness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.runtime.live.RENEW_S", 0.1)
    gateway = Liveness(await bus.connect("gateway"), "gateway", "g1")
    bus.spawn(gateway.keep_announcing())
    await until(lambda: watcher.alive("gateway") == {"g1"}, "it is seen")
    await bus.restart(LIVE_STREAM)
    renewed = gateway.renewed_at
    await until(lambda: gateway.renewed_at > renewed, "it announces itself again")
    await until(lambda: watcher.alive("gateway") == {"g1"}, "it is seen again")


async def test_the_mark_of_recovery_is_seen_and_is_no_process(bus: Bus, watcher: Liveness) -> None:
    bucket = Bucket(await bus.connect("history"), subjects.LIVE)
    revision = await bucket.create(subjects.HALTED_KEY, b"why")
    await until(lambda: watcher.halted, "the mark is seen")
    assert watcher.alive(subjects.HALTED_KEY) == frozenset()
    await bucket.delete(subjects.HALTED_KEY, revision)
    await until(lambda: not watcher.halted, "the mark is gone")


async def test_who_has_withdrawn_is_not_announced_again(
    bus: Bus, watcher: Liveness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.runtime.live.RENEW_S", 0.05)
    gateway = Liveness(await bus.connect("gateway"), "gateway", "g1")
    bus.spawn(gateway.keep_announcing())
    await until(lambda: watcher.alive("gateway") == {"g1"}, "it is seen")
    await gateway.withdraw()
    await until(lambda: watcher.alive("gateway") == frozenset(), "it is gone")
    withdrawn = gateway.renewed_at
    for _ in range(3):
        other = Liveness(await bus.connect("gateway"), "gateway", "g2")
        await other.announce()
        await until(lambda: "g2" in watcher.alive("gateway"), "another is seen")
        await other.withdraw()
        await until(lambda: "g2" not in watcher.alive("gateway"), "and gone")
    assert gateway.renewed_at == withdrawn
    assert watcher.alive("gateway") == frozenset()
