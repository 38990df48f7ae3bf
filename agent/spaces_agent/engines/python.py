"""The engine that calls a function of the user's own module."""

from __future__ import annotations

import importlib
import sys

from spaces_agent.errors import ConfigError
from spaces_agent.handler import Function


def load(target: str) -> Function:
    """The function named by `module:function`, found also in the working directory. Raises ConfigError; an exception
    of the module's own code passes through, since its author needs the traceback."""
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise ConfigError(f"{target!r} names no function: write python:module:function")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # A missing import inside of the module is its author's error, and not ours to hide.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(f"there is no module {module_name!r} here") from error
    function: object = module
    for name in attribute.split("."):
        function = getattr(function, name, None)
    if not callable(function):
        raise ConfigError(f"the module {module_name!r} has no function {attribute!r}")
    return function
