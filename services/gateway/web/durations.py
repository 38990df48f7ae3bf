"""Durations as people read them; static/durations.js says the same in the browser. Pure."""

_SMALL = ((0.0995, 1e-3, "ms"), (59.95, 1.0, "s"))
"""Below how many seconds which unit stands alone, with how many of its seconds."""
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """About so long, in at most two units: `4 ms`, `1.25 s`, `2 min 5 s`, `365 d`. Unit symbols are the same in all
    languages (SI brochure, tables 2 and 8)."""
    for below, unit, symbol in _SMALL:
        if seconds < below:
            return f"{_rounded(max(seconds, 0.0) / unit)} {symbol}"
    left, said = round(seconds), list[str]()
    for size, symbol in _UNITS:
        whole, left = divmod(left, size)
        if whole:
            said.append(f"{whole} {symbol}")
        if said and (len(said) == 2 or whole == 0 or symbol == "d" and whole >= 100):
            break
    return " ".join(said)


def _rounded(number: float) -> str:
    """With three digits, without zeros that say nothing."""
    return f"{number:.{2 if number < 10 else 1 if number < 100 else 0}f}".rstrip("0").rstrip(".") or "0"
