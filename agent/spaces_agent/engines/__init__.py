"""Ready-made handlers for the command line, chosen by name."""

from __future__ import annotations

from spaces_agent.engines import echo, python
from spaces_agent.errors import ConfigError
from spaces_agent.handler import Function


def function(target: str) -> Function:
    """The user's function named by `module:function`. Raises ConfigError."""
    return python.load(target)


def load(engine: str) -> Function:
    """The handler for `echo` or `python:module:function`. Raises ConfigError."""
    if engine == "echo":
        return echo.handle
    kind, _, target = engine.partition(":")
    if kind == "python" and target:
        return function(target)
    raise ConfigError(f"{engine!r} is no engine: use echo or python:module:function")
