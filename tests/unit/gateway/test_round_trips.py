"""Round trips are measured when somebody looks, and not more often than is of use."""

import asyncio

import pytest

from services.gateway import round_trips
from services.gateway.round_trips import FRESH_S, RoundTrip, measure


class Peer:
    """Somebody who answers pings when told to; one ping is under way at a time."""

    def __init__(self) -> None:
        self.pings = 0
        self.pong: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def ping(self) -> "asyncio.Future[float]":
        if self.pong.done():
            self.pong = asyncio.get_running_loop().create_future()
        self.pings += 1
        return self.pong


async def test_who_was_asked_a_moment_ago_is_not_asked_again() -> None:
    peer = Peer()
    round_trip = RoundTrip(peer.ping)
    assert round_trip.look(0.0) is peer.pong
    assert round_trip.look(1.0) is peer.pong
    peer.pong.set_result(0.25)
    await asyncio.sleep(0)
    assert (round_trip.last_s, round_trip.look(FRESH_S - 0.1), peer.pings) == (0.25, None, 1)
    assert round_trip.look(FRESH_S) is not None
    assert (round_trip.last_s, peer.pings) == (0.25, 2), "what is known is told until more is known"
    peer.pong.set_result(0.5)
    await asyncio.sleep(0)
    assert round_trip.last_s == 0.5


async def test_who_does_not_answer_delays_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round_trips, "WAIT_S", 0.01)
    quick, silent, mute = Peer(), Peer(), RoundTrip(None)
    asyncio.get_running_loop().call_soon(quick.pong.set_result, 0.02)
    answering, other = RoundTrip(quick.ping), RoundTrip(silent.ping)
    await measure([answering, other, mute], 0.0)
    assert (answering.last_s, other.last_s, mute.last_s) == (0.02, None, None)
    await measure([other], 2 * FRESH_S)
    silent.pong.set_result(3.0)
    await measure([other], 2 * FRESH_S)
    assert other.last_s == 3.0
