"""Ports for what is started later: in the range from which servers pick by themselves, others may take one meanwhile."""

import random

from services.local.ports import LOWEST, is_free


def own_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, and on which nobody comes to listen but tests that ask here."""
    while True:
        port = random.randint(10_000, LOWEST - 1)
        if is_free("127.0.0.1", port):
            return port
