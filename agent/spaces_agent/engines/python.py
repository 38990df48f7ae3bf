"""The engine that calls a function of the user's own module."""

from __future__ import annotations

import importlib
import sys

from spaces_agent.errors import ConfigError
from spaces_agent.handler import Function


def target(function: Function) -> str:
    """The `module:function` by which another interpreter finds this function. Raises ConfigError."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module in sys.modules and module != "__main__" and name and _attribute(sys.modules[module], name) is function:
        return f"{module}:{name}"
    raise ConfigError(
        f"{name or function!r} cannot be isolated: it must be a function of a module that can be imported, and not of"
        " the program itself or inside of another function"
    )


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
    function = _attribute(module, attribute)
    if not callable(function):
        raise ConfigError(f"the module {module_name!r} has no function {attribute!r}")
    return function


def _attribute(module: object, path: str) -> object:
    found = module
    for name in path.split("."):
        found = getattr(found, name, None)
    return found
