"""Given what log and NATS say of each stream, these begin anew."""

import pytest

from services.history.epochs import Held, Latest, Standing, anew
from services.history.positions import Position, Stamp

HERE, THERE = Stamp(5, "ws.req.x"), Stamp(6, "ws.req.x")


def standing(stream: str = "REQUESTS", *, epoch: int = 1, first: int = 1, seq: int = 50, held: Held | None) -> Standing:
    return Standing(stream, Position(epoch, first, seq), held)


WHOLE = standing("DIRECTORY", held=Held(1, 50))
GONE = standing(held=None)


def test_when_nothing_is_lost_nothing_begins_anew() -> None:
    assert anew([standing(held=Held(1, 60)), WHOLE], None, keys_lost=False) is None
    assert anew([standing(epoch=2, first=30, held=Held(2, 60)), WHOLE], Latest(2, True), keys_lost=False) is None


def test_what_is_gone_begins_anew_and_the_rest_stays() -> None:
    found = anew([GONE, WHOLE], None, keys_lost=False)
    assert found is not None
    assert (found.epoch, found.streams, found.begun) == (2, {"REQUESTS": "it is gone"}, False)


@pytest.mark.parametrize(
    ("held", "recorded", "stored", "why"),
    [
        (Held(1, 49), None, None, "the stream ends at 49, the log at 50"),
        (Held(7, 60), None, None, "the stream is in epoch 7, the log in epoch 1"),
        (Held(1, 60), HERE, THERE, "at 50 the stream holds"),
    ],
)
def test_a_stream_that_contradicts_the_log_begins_anew(
    held: Held, recorded: Stamp | None, stored: Stamp | None, why: str
) -> None:
    found = anew([Standing("REQUESTS", Position(1, 1, 50), held, recorded, stored)], None, keys_lost=False)
    assert found is not None
    assert found.streams["REQUESTS"].startswith(why)
    assert found.epoch == held.epoch + 1, "no epoch that anybody has seen"


def test_lost_keys_alone_are_a_recovery_too() -> None:
    found = anew([WHOLE], None, keys_lost=True)
    assert found is not None
    assert (found.epoch, found.streams) == (2, {})


def test_the_epoch_follows_every_recovery_that_was_begun() -> None:
    found = anew([GONE], Latest(4, True), keys_lost=False)
    assert found is not None
    assert found.epoch == 5


@pytest.mark.parametrize("held", [None, Held(1, 60), Held(2, 69), Held(2, 90)])
def test_a_recovery_that_was_interrupted_goes_on(held: Held | None) -> None:
    """Before the old stream was deleted, before the new one was made, and while it was filled."""
    found = anew([standing(epoch=2, first=70, seq=69, held=held), WHOLE], Latest(2, False), keys_lost=True)
    assert found is not None
    assert (found.epoch, set(found.streams), found.begun) == (2, {"REQUESTS"}, True)


def test_what_was_recorded_of_an_unfinished_recovery_and_lost_again_begins_once_more() -> None:
    unfinished = standing("DIRECTORY", epoch=2, first=70, seq=69, held=Held(2, 75))
    for held in (None, Held(2, 71)):
        found = anew(
            [standing(epoch=2, first=70, seq=72, held=held), unfinished, standing("CONNECTIONS", held=Held(1, 50))],
            Latest(2, False),
            keys_lost=False,
        )
        assert found is not None
        assert (found.epoch, set(found.streams), found.begun) == (3, {"REQUESTS", "DIRECTORY"}, False)


def test_another_stream_that_is_lost_during_a_recovery_is_taken_in() -> None:
    unfinished = standing("DIRECTORY", epoch=2, first=70, seq=69, held=None)
    found = anew([GONE, unfinished], Latest(2, False), keys_lost=False)
    assert found is not None
    assert (found.epoch, set(found.streams)) == (3, {"REQUESTS", "DIRECTORY"})
