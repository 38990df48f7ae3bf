"""The handler of the benchmark: what is left is the cost of the way to it and back."""

from typing import Any


async def handle(value: Any) -> Any:
    """The input, unchanged."""
    return value
