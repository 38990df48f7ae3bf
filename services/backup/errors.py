"""What can go wrong with a backup, each with one line that says what to do."""

from pathlib import Path

from services.local.errors import LocalError


class FileThere(LocalError):
    """There is such a file already."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists: name another file, or say --force to replace it")
        self.path = path


class CannotWrite(LocalError):
    """The backup cannot be written there."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot write {path} ({reason}): nothing was left behind; name a file elsewhere, or make room")
        self.path, self.reason = path, reason


class NoBackup(LocalError):
    """The file is no backup that could be restored. Nothing was made of it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}: nothing was restored")
        self.path, self.reason = path, reason


class HomeNotEmpty(LocalError):
    """A backup is restored into an empty home alone."""

    def __init__(self, home: Path, found: str) -> None:
        super().__init__(f"{home} is not empty (it holds {found}): name another --home, or move it away first")
        self.home, self.found = home, found


class CannotBackUp(LocalError):
    """The stack is in no state to be backed up, or something that is needed does not answer."""


class CannotRestore(LocalError):
    """The restore did not come to its end. The home is empty again."""
