"""The account that PostgreSQL runs as: it refuses to run as root."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# For root only: what an unprivileged account must reach although home or the programs are in a private directory.
SHARED = Path("/var/lib/websocket-spaces")

_COMMAND_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group to run a child process as."""

    uid: int
    gid: int


def make_shared() -> None:
    """Make the shared directory, open to all whatever the umask."""
    if not SHARED.exists():
        SHARED.mkdir(parents=True, exist_ok=True)
        SHARED.chmod(0o755)


def unprivileged_account() -> Account | None:
    """Whom a new data directory belongs to: None (ourselves), or `postgres`, else `nobody`, when we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    return Account(65534, 65534)


def owner_account(path: Path) -> Account | None:
    """The account that an existing data directory must be run as; None means ourselves."""
    owner = path.stat()
    return None if owner.st_uid == os.geteuid() else Account(owner.st_uid, owner.st_gid)


def run_as(account: Account | None, command: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str] | None:
    """Run a short command as the account; None when it cannot even be started."""
    try:
        return subprocess.run(
            command,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_TIMEOUT_S,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except OSError:
        return None


def private_directory(path: Path, account: Account | None) -> bool:
    """Make a directory for the account alone, and tell whether the account can use it. Parents stay as they are."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is not None:
        os.chown(path, account.uid, account.gid)
    shell = shutil.which("sh", path=os.defpath) or "/bin/sh"
    checked = run_as(account, [shell, "-c", 'cd "$1" && test -w .', "sh", str(path)])
    return checked is not None and checked.returncode == 0
