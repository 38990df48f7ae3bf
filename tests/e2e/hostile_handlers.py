"""A handler that says what it is told to, for tests of what pages make of it."""

from typing import Any


def refusing(input: dict[str, Any]) -> None:
    """Fails with the words that it is given."""
    raise ValueError(input["say"])
