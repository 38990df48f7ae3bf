"""What the overview shows of what the API tells."""

from typing import Any, cast

import msgspec
import pytest

from services.gateway.api.watching_operations import PLATFORM, STATS_SERIES
from services.gateway.platform import NatsObject, PlatformObject, StreamObject
from services.gateway.series import SERIES_WINDOWS, BucketObject, LatencyObject, SeriesObject
from services.gateway.web.overview_views import EVERY_S, bytes_words, charts_view, state_view, windows

SERIES = cast(SeriesObject, STATS_SERIES.answers[200].example)
PLATFORM_OBJECT = cast(PlatformObject, PLATFORM.answers[200].example)
BUCKET = SERIES.buckets[0]
QUIET = BucketObject(
    start=BUCKET.start,
    accepted=0,
    succeeded=0,
    failed=0,
    canceled=0,
    expired=0,
    success_rate=None,
    queue_s=None,
    run_s=None,
    waiting=0,
    agents=None,
)


def series(*buckets: BucketObject, **changes: Any) -> SeriesObject:
    return msgspec.structs.replace(SERIES, buckets=list(buckets), **changes)


def test_every_window_has_its_link_and_its_pace() -> None:
    links = windows("24h", "a&b")
    assert [link.name for link in links] == list(SERIES_WINDOWS) == list(EVERY_S)
    assert [link.name for link in links if link.current] == ["24h"]
    assert links[0].url == "/overview?window=15m&space=a%26b"
    assert windows("1h", "")[0].url == "/overview?window=15m"


def test_every_window_is_cut_into_buckets_that_a_chart_can_show() -> None:
    for window in SERIES_WINDOWS.values():
        assert 60 <= window.buckets <= 120
        assert window.buckets * window.bucket_s == window.window_s
        assert 3600 % window.bucket_s == 0 or 86400 % window.bucket_s == 0


def test_each_chart_has_the_numbers_of_its_kind() -> None:
    busy = msgspec.structs.replace(BUCKET, accepted=9, succeeded=3, failed=2, expired=1, canceled=1, waiting=4, agents=2)
    shown = charts_view(series(QUIET, busy, success_rate=0.5, accepted=9))
    assert shown.requests.names == ("succeeded", "failed", "expired", "canceled", "accepted")
    assert shown.requests.rows[1].values == ("3", "2", "1", "1", "9")
    assert shown.waiting.rows[1].values == ("4",)
    assert [row.values for row in shown.agents.rows] == [("",), ("2",)]
    assert shown.queue.names == ("p99", "p90", "p50")
    assert shown.queue.rows[1].values == ("3.2 s", "600 ms", "4 ms")
    assert [row.values for row in shown.success.rows] == [("",), ("100 %",)]
    numbers = shown.numbers
    assert (numbers.accepted, numbers.success, numbers.waiting, numbers.agents) == ("9", "50 %", "4", "2")
    assert (numbers.waited, numbers.ran) == ("4 ms", "1.5 s")


@pytest.mark.parametrize(
    ("changes", "waiting", "nothing"),
    [({}, 0, True), ({"accepted": 1}, 0, False), ({"ended": {"failed": 1}}, 0, False), ({}, 1, False)],
)
def test_there_is_nothing_when_nothing_came_ended_or_waits(changes: dict[str, object], waiting: int, nothing: bool) -> None:
    quiet = msgspec.structs.replace(QUIET, waiting=waiting)
    empty = {"accepted": 0, "ended": {}, "queue_s": None, "run_s": None}
    assert charts_view(series(quiet, **(empty | changes))).nothing is nothing


def test_durations_of_nobody_are_no_numbers() -> None:
    shown = charts_view(series(QUIET, queue_s=None, run_s=LatencyObject(p50=0.5, p90=1, p99=2)))
    assert (shown.numbers.waited, shown.numbers.ran, shown.numbers.agents) == ("", "500 ms", "")
    assert shown.queue.empty


def test_streams_tell_how_full_they_are() -> None:
    limited = StreamObject(
        name="REQUESTS", messages=12_345, bytes=2048, max_bytes=8192, replicas=1, missing=0, behind=3, behind_s=0.1
    )
    free = msgspec.structs.replace(limited, name="KV_ws_live", max_bytes=None, behind=None)
    nats = msgspec.structs.replace(PLATFORM_OBJECT.nats, streams=[limited, free], storage_bytes=None)
    assert isinstance(nats, NatsObject)
    first, second = state_view([], msgspec.structs.replace(PLATFORM_OBJECT, nats=nats)).streams
    assert (first.bucket, first.messages, first.bytes, first.limit, first.part) == (False, "12.3k", "2 KiB", "8 KiB", 0.25)
    assert (second.bucket, second.limit, second.part, second.behind) == (True, "", None, None)


def test_who_is_no_administrator_sees_no_platform() -> None:
    shown = state_view([], None)
    assert (shown.platform, shown.streams, shown.storage) == (None, (), "")


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1_050_000, "1 MiB"), (8 * 1024**3, "8 GiB"), (1023 * 1024, "1023 KiB")],
)
def test_bytes_are_said_briefly(count: int, said: str) -> None:
    assert bytes_words(count) == said
