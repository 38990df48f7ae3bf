"""One handler that does what its input says."""

import time
from typing import Any

from spaces_agent import Context

WAIT_S = 3000.0


def told(input: dict[str, Any], context: Context) -> dict[str, Any]:
    """`fail`: as a user's code may fail; `wait`: until it is canceled; else it answers at once."""
    if input["do"] == "fail":
        raise ValueError("no such model")
    end = time.monotonic() + WAIT_S
    while input["do"] == "wait" and not context.cancelled and time.monotonic() < end:
        time.sleep(0.02)
    return {"done": input["do"]}
