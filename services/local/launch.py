"""How our own programs are started: with this interpreter, from the same source, and with no setting but ours."""

import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from services.runtime.settings import PREFIX


def command(module: str, *options: str) -> list[str]:
    """The command line of `python -m module`. `options` are the interpreter's."""
    # -P: the working directory must not shadow a package.
    return [sys.executable, "-P", *options, "-m", module]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Our environment with the given settings in place of those that `spaces up` itself was given."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    # In a source tree the packages may be found only through the working directory or a relative path.
    given = [str(Path(entry).absolute()) for entry in env.get("PYTHONPATH", "").split(os.pathsep) if entry]
    env["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([*given, *_roots()]))
    return {**env, **settings}


def _roots() -> Iterator[str]:
    for package in ("services", "spaces_agent"):
        spec = importlib.util.find_spec(package)  # without importing it
        if spec is not None and spec.submodule_search_locations:
            yield str(Path(spec.submodule_search_locations[0]).absolute().parent)
