"""What an agent does before it takes work: load a model, warm it up. It is connected meanwhile, and says that it loads."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from concurrent.futures import Future
from typing import Any

from spaces_agent.errors import SetupFailed
from spaces_agent.handler import Function

logger = logging.getLogger("spaces_agent")


async def load(setup: Function) -> None:
    """Call the setup function: a sync one in a thread, so that the connection goes on meanwhile. Raises SetupFailed."""
    began = time.monotonic()
    logger.info("loading; requests wait until that is done")
    try:
        loaded = setup() if inspect.iscoroutinefunction(setup) else await _in_thread(setup)
        if inspect.isawaitable(loaded):
            await loaded
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # also SystemExit: whatever it was, there is nothing to serve with
        logger.error("loading failed", exc_info=error)
        raise SetupFailed(f"setup failed: {type(error).__name__}: {error}") from error
    logger.info("loaded in %.1f s", time.monotonic() - began)


async def _in_thread(setup: Function) -> Any:
    """Call it in a daemon thread, unlike those of `asyncio.to_thread`: an agent that is told to end while it loads must
    not wait for that."""
    outcome: Future[tuple[Any, BaseException | None]] = Future()
    outcome.set_running_or_notify_cancel()

    def call() -> None:
        try:
            outcome.set_result((setup(), None))
        except BaseException as error:  # as a value: no future takes a StopIteration
            outcome.set_result((None, error))

    threading.Thread(target=call, name="setup", daemon=True).start()
    loaded, error = await asyncio.wrap_future(outcome)
    if error is not None:
        raise error
    return loaded
