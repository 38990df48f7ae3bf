"""Instants as the server, events and answers write them."""

import pytest

from services.contracts.instants import exact, nanoseconds, rfc3339

S = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", S + S // 2),
        ("2026-01-02T03:04:05.678901Z", 1767323045678901000),
        ("2026-01-02T03:04:05.123456789Z", 1767323045123456789),
        ("2026-01-02T05:04:05.123456789+02:00", 1767323045123456789),
        ("2026-01-01T21:34:05-05:30", 1767323045 * S),
    ],
)
def test_instants_are_read(text: str, at: int) -> None:
    assert nanoseconds(text) == at


def test_instants_are_written_with_microseconds() -> None:
    assert rfc3339(1767323045678901999) == "2026-01-02T03:04:05.678901Z"
    assert nanoseconds(rfc3339(1767323045678901000)) == 1767323045678901000


def test_exactly_written_instants_are_read_as_they_were() -> None:
    assert exact(1767323045678901234) == "2026-01-02T03:04:05.678901234Z"
    assert nanoseconds(exact(1767323045678901234)) == 1767323045678901234
