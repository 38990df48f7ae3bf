"""The agent's session among several gateways, with everything coming in any order: sockets cut, gateways that go away, links
that die, leases that are canceled. No frame is lost, no handler started twice, no output skipped, no result forgotten before
it is decided; and in the end nobody waits for anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spaces_agent import frames
from tests.unit.agent.simulated_platform import Gateway, Platform

STEPS = 600
SEEDS = 150
SETTLES_WITHIN = 400


def step(platform: Platform, *, calm: bool) -> None:
    """Something happens, anywhere. When calm, nothing does that ends or begins what need not."""
    draw = platform.random
    platform.now += draw.random() * 0.3
    doings: list[tuple[int, Callable[[], None]]] = [(4, lambda: platform.session.tick(platform.now))]
    for number, gateway in platform.gateways.items():
        doings += of_gateway(platform, number, gateway, calm)
    for lease, handler in platform.handlers.items():
        if not handler.over:
            ends = calm or draw.random() < 0.2
            doings.append((3, lambda lease=lease, ends=ends: platform.run_handler(lease, ends)))  # type: ignore[misc]
    if not calm:
        if draw.random() < 0.02:
            doings.append((2, platform.restart_link))
        still_open = [chain for chain in platform.log.values() if chain.ending is None]
        if still_open and draw.random() < 0.05:
            doings.append((4, lambda: void(draw.choice(still_open).end, "canceled")))
    weights = [weight for weight, _ in doings]
    [(_, do)] = draw.choices(doings, weights)
    do()
    platform.act()


def of_gateway(platform: Platform, number: int, gateway: Gateway, calm: bool) -> list[tuple[int, Callable[[], None]]]:
    """What may happen next at this socket."""
    doings: list[tuple[int, Callable[[], None]]] = []
    if gateway.to_agent:
        doings.append((6, lambda: platform.hear(number)))
    if gateway.from_agent and gateway.phase in ("hello", "ready"):
        doings.append((6, lambda: void(platform.attach, gateway) if gateway.receive() else None))
    if gateway.phase == "attached":
        doings.append((2, gateway.judge))
    if gateway.phase == "judged":
        doings.append((2, gateway.welcome))
    if gateway.leaving and (calm or platform.random.random() < 0.2):
        doings.append((1, gateway.close))
    for lease in list(gateway.held):
        doings.append((2, lambda lease=lease: gateway.append(lease)))  # type: ignore[misc]
        doings.append((1, lambda lease=lease: gateway.read_log(lease)))  # type: ignore[misc]
    if gateway.phase == "ready" and not calm:
        doings.append((3, lambda: platform.assign(gateway)))
        if platform.random.random() < 0.4:
            doings.append((3, lambda: goaway(platform, gateway)))
        if platform.random.random() < 0.1:
            doings.append((2, lambda: platform.cut(number)))
    return doings


def goaway(platform: Platform, gateway: Gateway) -> None:
    gateway.leaving = True
    gateway.say(frames.Goaway(reason="restart", reconnect_after_s=platform.random.random()))


def void(do: Callable[..., object], *given: object) -> None:
    do(*given)


def settled(platform: Platform) -> bool:
    """Everything is decided, and nobody holds anything."""
    return all(
        (
            all(chain.ending is not None for chain in platform.log.values()),
            all(handler.over and handler.result is None for handler in platform.handlers.values()),
            not any(gateway.held for gateway in platform.gateways.values()),
            [gateway.phase for gateway in platform.gateways.values()] == ["ready"],
        )
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_in_any_order_nothing_is_lost_and_nothing_done_twice(seed: int) -> None:
    platform = Platform(seed)
    for _ in range(STEPS):
        step(platform, calm=False)
    for _ in range(SETTLES_WITHIN):
        for _ in range(20):
            step(platform, calm=True)
        platform.now += 0.5
        if settled(platform):
            break
    assert settled(platform)
    for lease, chain in platform.log.items():
        if chain.ending == "recorded":
            assert chain.stored == platform.handlers[lease].produced
    assert sum(chain.ending == "recorded" for chain in platform.log.values()) > 0
