"""Percentiles, and which requests count for them."""

import pytest

from services.contracts.lists import Percentiles
from services.history.stats import percentiles


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([7.0], (7.0, 7.0, 7.0)),
        ([1.0, 2.0], (1.0, 2.0, 2.0)),
        ([float(n) for n in range(100, 0, -1)], (50.0, 95.0, 99.0)),
        ([float(n) for n in range(1, 1001)], (500.0, 950.0, 990.0)),
        ([0.1] * 99 + [9.0], (0.1, 0.1, 0.1)),
        ([0.1] * 98 + [9.0] * 2, (0.1, 0.1, 9.0)),
    ],
)
def test_a_percentile_is_one_of_the_durations_by_its_rank(durations: list[float], expected: tuple[float, ...]) -> None:
    p50, p95, p99 = expected
    assert percentiles(durations) == Percentiles(p50=p50, p95=p95, p99=p99)


def test_of_nothing_there_are_no_percentiles() -> None:
    assert percentiles([]) is None
