"""Starts a service with a `stream_keep` below what its settings allow, so that a test sees the stream trimmed."""

import os
from collections.abc import Awaitable, Callable

import msgspec

from services.runtime.process import Process, run

KEEP = "TEST_KEEP_S"
"""The variable that says how long closed requests stay in the stream, in seconds."""


def run_keeping(service: str, start: Callable[[Process], Awaitable[None]]) -> None:
    """The main function of a service."""

    async def shortened(process: Process) -> None:
        # Replacing does not validate.
        process.settings = msgspec.structs.replace(process.settings, stream_keep=float(os.environ[KEEP]))
        await start(process)

    run(service, shortened)
