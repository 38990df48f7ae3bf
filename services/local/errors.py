"""What can go wrong with the embedded stack, each with one line that says what to do."""

from pathlib import Path


class LocalError(Exception):
    """The embedded stack cannot start or go on. `str()` is one line for the person who ran the command."""

    exit_code = 2


class HomeInUse(LocalError):
    """Another process holds the home directory."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"{home} is in use by another `spaces up`: stop that one, or choose another --home")
        self.home = home


class NotRunning(LocalError):
    """What is to be done needs a stack that is up."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"no stack runs in {home}: start it with `spaces up`, or name another --home")
        self.home = home


class HomeUnwritable(LocalError):
    """The home directory cannot be made or written."""

    def __init__(self, home: Path, reason: str) -> None:
        super().__init__(f"cannot write to {home} ({reason}): choose another directory with --home")
        self.home, self.reason = home, reason


class HomeDamaged(LocalError):
    """A file that the home directory must have cannot be read, or is gone."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}: restore it, or start afresh with another --home")
        self.path, self.reason = path, reason


class HalfRestored(LocalError):
    """A restore was cut off: files may be missing."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"a restore in {home} was cut off: run it again, `spaces restore FILE --home {home}`")
        self.home = home


class WrongNumber(LocalError):
    """What NATS has stored belongs to another number of servers."""

    def __init__(self, home: Path, has: int) -> None:
        super().__init__(f"{home} has {has} NATS server{'s' if has > 1 else ''}: leave that so, or choose another --home")
        self.home, self.has = home, has


class PortInUse(LocalError):
    """Somebody else listens on the port, or it may not be used."""

    def __init__(self, host: str, port: int, reason: str = "is in use") -> None:
        super().__init__(f"port {port} on {host} {reason}: stop what uses it, or choose another with --port")
        self.host, self.port = host, port


class MissingProgram(LocalError):
    """A server program is neither installed with the package nor on PATH."""

    def __init__(self, program: str, install: str) -> None:
        super().__init__(f"{program} was not found: {install}")
        self.program = program


class ServerFailed(LocalError):
    """A server did not start, or ended by itself. `reason` is the last thing that it said."""

    def __init__(self, name: str, reason: str, log: Path | None = None) -> None:
        super().__init__(f"{name} failed: {reason}" + (f" (see {log})" if log else ""))
        self.name, self.reason, self.log = name, reason, log
