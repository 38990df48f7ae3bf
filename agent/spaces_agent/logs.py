"""Where the agent's own log goes."""

from __future__ import annotations

import logging


def log_to_stderr() -> None:
    """Short lines on stderr, unless the program has set up logging by itself."""
    logger = logging.getLogger("spaces_agent")
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("spaces-agent: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
