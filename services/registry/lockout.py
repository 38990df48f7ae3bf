"""When an e-mail address is locked out of signing in. PURE."""

from collections.abc import Sequence

MAX_FAILURES = 10
WINDOW_S = 15 * 60.0
_NS = 1_000_000_000


def after_failure(failures: Sequence[int], now: int) -> list[int]:
    """The failures that still count, with one of now (nanoseconds since 1970)."""
    return [*_recent(failures, now), now][-MAX_FAILURES:]


def locked_for_s(failures: Sequence[int], now: int) -> float:
    """For how many seconds nobody signs in with the address; 0: it is not locked out."""
    recent = _recent(failures, now)[-MAX_FAILURES:]
    return WINDOW_S - (now - recent[0]) / _NS if len(recent) == MAX_FAILURES else 0.0


def _recent(failures: Sequence[int], now: int) -> list[int]:
    return [at for at in failures if now - at < WINDOW_S * _NS]
