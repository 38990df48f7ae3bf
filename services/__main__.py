"""`python -m services NAME`: one service of the image, by its name; all else is a command of `spaces`.

It is what the service image starts. As a container's first process it gets no signal that it has not asked for, so that it
asks for SIGTERM before anything else: until a service drains by it, it just ends."""

import importlib
import os
import signal
import sys
from collections.abc import Sequence

SERVICES = ("dispatcher", "gateway", "history", "registry")
PROBE = "probe"


def main(arguments: Sequence[str]) -> None:
    """Run what the arguments name until it ends; `run` of services.runtime.process tells how."""
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
    if list(arguments[:1]) == [PROBE]:
        from services.probe import probe

        sys.exit(probe(arguments[1:]))
    if len(arguments) == 1 and arguments[0] in SERVICES:
        importlib.import_module(f"services.{arguments[0]}.main").main()
        return
    from services.cli import main as spaces

    spaces(list(arguments), prog_name="spaces")


if __name__ == "__main__":
    main(sys.argv[1:])
