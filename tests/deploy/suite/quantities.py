"""Kubernetes quantities as numbers."""

import re

_FACTORS = {
    "": 1.0,
    "m": 0.001,
    **{unit: 1000.0**power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", start=1)},
}


def number(quantity: str | int | float) -> float:
    """`500m` is 0.5, `1Gi` is 2³⁰. Raises ValueError."""
    found = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(quantity))
    if found is None or found[2] not in _FACTORS:
        raise ValueError(f"not a quantity: {quantity}")
    return float(found[1]) * _FACTORS[found[2]]


def go_bytes(text: str) -> float:
    """GOMEMLIMIT's way of writing: `768MiB`. Raises ValueError."""
    found = re.fullmatch(r"([0-9]+)(B|([KMGT]i)B)?", text)
    if found is None:
        raise ValueError(f"not a limit of Go's runtime: {text}")
    return float(found[1]) * _FACTORS[found[3] or ""]
