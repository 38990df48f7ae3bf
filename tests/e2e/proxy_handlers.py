"""A handler for tests through a proxy."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WAIT_S = 60.0


def stepwise(input: dict[str, Any]) -> Iterator[str]:
    """Yields a word, and another one when it is let go."""
    yield "first"
    end = time.monotonic() + WAIT_S
    while not Path(input["go"]).exists():
        if time.monotonic() > end:
            raise TimeoutError("nobody let it go")
        time.sleep(0.01)
    yield "second"
