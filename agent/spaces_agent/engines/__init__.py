"""Ready-made handlers for the command line, chosen by name."""

from __future__ import annotations

from spaces_agent.engines import python
from spaces_agent.errors import ConfigError
from spaces_agent.handler import Function


def function(given: Function | str) -> Function:
    """The user's function, which may be named by `module:function`. Raises ConfigError."""
    return python.load(given) if isinstance(given, str) else given


def target(given: Function | str) -> str:
    """The `module:function` of the user's function, for another interpreter. Raises ConfigError."""
    return given if isinstance(given, str) else python.target(given)


def named(engine: str) -> str:
    """The `module:function` of `echo` or `python:module:function`. Raises ConfigError."""
    kind, _, target = engine.partition(":")
    if kind == "python" and target:
        return target
    if engine == "echo":
        return "spaces_agent.engines.echo:handle"
    raise ConfigError(f"{engine!r} is no engine: use echo or python:module:function")
