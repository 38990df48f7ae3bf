"""The engine that returns its input, to try a connection without a model."""

from __future__ import annotations

from typing import Any


def handle(input: Any) -> Any:
    """The input, unchanged."""
    return input
