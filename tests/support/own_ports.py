"""Ports for what is started later: in the range from which servers pick by themselves, others may take one meanwhile."""

import os
import random

from services.local.ports import LOWEST, is_free

_FIRST = 10_000


def own_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, and on which nobody comes to listen but tests of this process."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    each = (LOWEST - _FIRST) // workers
    while True:
        port = _FIRST + worker * each + random.randrange(each)
        if is_free("127.0.0.1", port):
            return port
