"""What an agent does before it takes work: load a model, warm it up. It is connected meanwhile, and says that it loads."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time

from spaces_agent.errors import SetupFailed
from spaces_agent.handler import Function
from spaces_agent.pool import in_thread

logger = logging.getLogger("spaces_agent")


async def load(setup: Function) -> None:
    """Call the setup function: a sync one in a thread, so that the connection goes on meanwhile. Raises SetupFailed."""
    began = time.monotonic()
    logger.info("loading; requests wait until that is done")
    try:
        loaded = setup() if inspect.iscoroutinefunction(setup) else await in_thread(setup, "setup")
        if inspect.isawaitable(loaded):
            await loaded
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # also SystemExit: whatever it was, there is nothing to serve with
        logger.error("loading failed", exc_info=error)
        raise SetupFailed(f"setup failed: {type(error).__name__}: {error}") from error
    logger.info("loaded in %.1f s", time.monotonic() - began)
