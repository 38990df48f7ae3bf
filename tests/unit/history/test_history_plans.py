"""What may leave the stream, and whether the stream is the one that was recorded."""

import pytest

from services.history.positions import Position, Stamp, contradiction, passes_milestone
from services.history.statements import sql
from services.history.trim_plan import STUCK_NS, Sweep, Trimmed, purge_below, sweep, swept

NOTHING = Trimmed(0, 0)
POSITION = Position(1, 1, 50)
HERE, THERE = Stamp(5, "ws.req.x"), Stamp(6, "ws.req.x")


def test_a_purge_stops_at_the_oldest_request_that_must_stay() -> None:
    assert purge_below(NOTHING, recorded_seq=50, oldest_kept=7) == 7


def test_without_such_a_request_it_stops_behind_what_is_recorded() -> None:
    assert purge_below(NOTHING, recorded_seq=50, oldest_kept=None) == 51


def test_what_is_not_recorded_is_never_purged() -> None:
    assert purge_below(NOTHING, recorded_seq=50, oldest_kept=90) == 51


def test_nothing_is_purged_twice() -> None:
    assert purge_below(Trimmed(7, 0), recorded_seq=50, oldest_kept=7) is None
    assert purge_below(Trimmed(51, 0), recorded_seq=50, oldest_kept=None) is None


def test_stuck_chains_are_looked_for_only_after_a_while_and_once() -> None:
    assert sweep(NOTHING, closed_until=STUCK_NS) is None
    look = sweep(Trimmed(7, 0), closed_until=STUCK_NS + 100)
    assert look == Sweep(after=0, until=100, from_seq=7)
    assert sweep(swept(Trimmed(7, 0), look, [60, 80], limit=5), closed_until=STUCK_NS + 100) is None


def test_a_sweep_that_found_more_than_it_may_purge_goes_on_behind() -> None:
    look = Sweep(0, 100, 7)
    assert swept(Trimmed(7, 0), look, [60, 80], limit=2) == Trimmed(7, 80)
    assert swept(Trimmed(7, 0), look, [60], limit=2) == Trimmed(7, 100)


@pytest.mark.parametrize(
    ("epoch", "last_seq", "recorded", "stored", "wrong"),
    [
        (1, 50, HERE, HERE, False),
        (1, 99, HERE, None, False),
        (1, 50, None, None, False),
        (2, 50, HERE, HERE, True),
        (1, 49, HERE, None, True),
        (1, 99, HERE, THERE, True),
        (1, 99, HERE, Stamp(5, "ws.req.y"), True),
    ],
)
def test_a_stream_is_another_one_when_epoch_end_or_message_differ(
    epoch: int, last_seq: int, recorded: Stamp | None, stored: Stamp | None, wrong: bool
) -> None:
    assert (contradiction(POSITION, epoch, last_seq, recorded, stored) is not None) == wrong


def test_statements_are_found_by_name() -> None:
    assert sql("position").endswith("WHERE stream = $1")
    with pytest.raises(KeyError):
        sql("nothing")


def test_a_young_log_passes_a_milestone_each_time_that_it_has_grown_ten_times() -> None:

    def at(recorded: int) -> Position:
        return Position(1, 1_000_001, 1_000_000 + recorded)

    passed = [n for n in range(0, 300_000, 50) if passes_milestone(at(n), at(n + 50))]
    assert passed == [50, 950, 9_950, 99_950]
    assert passes_milestone(at(0), at(500))
    assert not passes_milestone(at(100), at(100))
